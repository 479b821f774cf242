//! Which brokers have the replicas of a partition, and which of them leads it.

use crate::{
    brokers::{Broker, Brokers},
    state::State,
    topics::NO_LEADER,
};

impl State {
    /// Spreads partitions round-robin over the running brokers: each has its `replicas` on brokers
    /// that follow one another, and the first of them leads it.
    pub(crate) fn spread(&self, partitions: usize, replicas: usize) -> Vec<Vec<i32>> {
        let brokers: Vec<_> = self.running().map(|b| b.id).collect();
        let of = |partition| {
            let round = brokers
                .iter()
                .copied()
                .cycle()
                .skip(partition % brokers.len().max(1));
            round.take(replicas).collect()
        };
        (0..partitions).map(of).collect()
    }

    /// Takes a broker out of what it leads; another replica in sync takes over. The last one stays
    /// in sync, since it has everything.
    pub(crate) fn broker_stopped(&mut self, broker: i32) {
        for partition in self.topics.iter_mut().flat_map(|t| &mut t.partitions) {
            if partition.in_sync.len() > 1 {
                partition.in_sync.retain(|id| *id != broker);
            }
            if partition.leader == broker {
                let next = partition
                    .in_sync
                    .iter()
                    .find(|id| runs(&self.brokers, **id));
                let next = next.copied();
                partition.lead(next.unwrap_or(NO_LEADER));
            }
        }
    }

    /// Puts a broker back in sync; it leads what nobody else could.
    pub(crate) fn broker_started(&mut self, broker: i32) {
        for partition in self.topics.iter_mut().flat_map(|t| &mut t.partitions) {
            if partition.leader == NO_LEADER && partition.in_sync.contains(&broker) {
                partition.lead(broker);
            }
            // A follower catches up as soon as there is somebody to follow.
            if partition.leader != NO_LEADER {
                let replicas = partition.replicas.iter().copied();
                partition.in_sync = replicas.filter(|id| runs(&self.brokers, *id)).collect();
            }
        }
    }
}

fn runs(brokers: &Brokers, id: i32) -> bool {
    brokers.get(&id).is_some_and(Broker::is_running)
}

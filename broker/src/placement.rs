//! Which brokers have the replicas of a partition, and which of them leads it.

use crate::{
    brokers::{Broker, Brokers},
    replicas::Following,
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

    /// Takes a broker out of what it leads; another replica in sync takes over.
    pub(crate) fn broker_stopped(&mut self, broker: i32) {
        self.fetch_sessions.forget_broker(broker);
        for partition in self.topics.iter_mut().flat_map(|t| &mut t.partitions) {
            partition.stop(broker);
            if partition.leader == broker {
                let mut in_sync = partition.in_sync.iter().copied();
                let next = in_sync.find(|id| runs(&self.brokers, *id));
                partition.lead(next.unwrap_or(NO_LEADER));
            }
        }
    }

    /// Lets a broker follow again; it leads what nobody else could.
    pub(crate) fn broker_started(&mut self, broker: i32) {
        for partition in self.topics.iter_mut().flat_map(|t| &mut t.partitions) {
            partition.follow(broker, Following::AtOnce);
            if partition.leader == NO_LEADER && partition.in_sync.contains(&broker) {
                partition.lead(broker);
            }
        }
    }
}

fn runs(brokers: &Brokers, id: i32) -> bool {
    brokers.get(&id).is_some_and(Broker::is_running)
}

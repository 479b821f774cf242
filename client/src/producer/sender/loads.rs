//! Which partitions and brokers batches wait for, as the sender sees it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use ottla_core::{cluster::Topology, producer::Slot};
use rustc_hash::FxHashMap;

use crate::producer::{accumulator::Accumulator, load::Standing, queue::Queue};

/// The sender's view of all partitions that it has batches of, or had.
#[derive(Debug)]
pub(super) struct Loads {
    /// `partitioner.adaptive.partitioning.enable`
    adaptive: bool,
    /// `partitioner.availability.timeout.ms`; zero is never.
    timeout: Duration,
    queues: FxHashMap<Slot, Arc<Queue>>,
    /// The leaders of the partitions in which batches wait.
    leaders: FxHashMap<Slot, i32>,
    /// Brokers that batches wait for.
    waited_for: BTreeMap<i32, Waited>,
    late: BTreeSet<i32>,
}

#[derive(Debug)]
struct Waited {
    partitions: usize,
    /// Since when, or since the broker's last answer.
    since: Instant,
}

impl Loads {
    pub(super) fn new(adaptive: bool, timeout: Duration) -> Self {
        Self {
            adaptive,
            timeout,
            queues: FxHashMap::default(),
            leaders: FxHashMap::default(),
            waited_for: BTreeMap::new(),
            late: BTreeSet::new(),
        }
    }

    /// Learns whose a slot is.
    pub(super) fn add(&mut self, slot: Slot, queue: &Arc<Queue>) {
        self.queues.entry(slot).or_insert_with(|| queue.clone());
    }

    /// A broker that answers is not late.
    pub(super) fn answered(&mut self, now: Instant, broker: i32) {
        if let Some(waited) = self.waited_for.get_mut(&broker) {
            waited.since = now;
        }
    }

    /// So many batches of a partition wait now.
    pub(super) fn count(&mut self, now: Instant, slot: Slot, waiting: usize, topology: &Topology) {
        let Some(queue) = self.queues.get(&slot) else {
            return;
        };
        if self.adaptive {
            queue.load.set_waiting(waiting);
        }
        if self.timeout.is_zero() {
            return;
        }
        let leader = topology.leader(&queue.topic, queue.partition);
        let leader = leader.map(|(id, _)| id).filter(|_| waiting > 0);
        let before = match leader {
            Some(leader) => self.leaders.insert(slot, leader),
            None => self.leaders.remove(&slot),
        };
        if before == leader {
            return;
        }
        if let Some(broker) = before {
            self.wait_no_more(broker);
        }
        if let Some(broker) = leader {
            let since = Waited {
                partitions: 0,
                since: now,
            };
            self.waited_for.entry(broker).or_insert(since).partitions += 1;
        }
    }

    fn wait_no_more(&mut self, broker: i32) {
        if let Some(waited) = self.waited_for.get_mut(&broker) {
            waited.partitions = waited.partitions.saturating_sub(1);
            if waited.partitions == 0 {
                self.waited_for.remove(&broker);
            }
        }
    }

    /// Lets the partitions know which brokers are late, where that or the topology has changed.
    pub(super) fn update(&mut self, now: Instant, topology: &Topology, accumulator: &Accumulator) {
        let late = self.late(now);
        if late == self.late && !accumulator.take_changed() {
            return;
        }
        self.late = late;
        accumulator.judge(
            |queue| match topology.leader(&queue.topic, queue.partition) {
                None => Standing::Leaderless,
                Some((leader, _)) if self.late.contains(&leader) => Standing::Late,
                Some(_) => Standing::Ready,
            },
        );
    }

    /// The brokers that have not answered for too long while something waited for them.
    fn late(&self, now: Instant) -> BTreeSet<i32> {
        let waited = self.waited_for.iter();
        let late = waited.filter(|(_, waited)| waited.since + self.timeout <= now);
        late.map(|(broker, _)| *broker).collect()
    }

    /// When the next broker becomes late, unless it answers.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let waited = self.waited_for.iter();
        let punctual = waited.filter(|(broker, _)| !self.late.contains(broker));
        punctual
            .map(|(_, waited)| waited.since + self.timeout)
            .min()
    }
}

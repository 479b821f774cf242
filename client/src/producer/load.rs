//! How busy partitions are: the sender says it, and whoever draws a partition for its records reads
//! it (KIP-794).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use ottla_core::{
    cluster::{Partition, Topology},
    producer::Slot,
};

use super::accumulator::{Accumulator, Queue};

/// Whether a partition can be written to; the greater, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Nobody leads it, as far as is known.
    Leaderless,
    /// Batches have waited for its leader for longer than `partitioner.availability.timeout.ms`.
    Late,
    Ready,
}

impl Standing {
    pub(super) const fn of(partition: &Partition) -> Self {
        if partition.leader < 0 {
            Self::Leaderless
        } else {
            Self::Ready
        }
    }
}

/// One partition's share, as the sender last saw it.
#[derive(Debug)]
pub(super) struct Load {
    standing: AtomicU8,
    waiting: AtomicUsize,
}

impl Load {
    pub(super) const fn new(standing: Standing) -> Self {
        Self {
            standing: AtomicU8::new(standing as u8),
            waiting: AtomicUsize::new(0),
        }
    }

    pub(super) fn standing(&self) -> Standing {
        const LATE: u8 = Standing::Late as u8;
        const LEADERLESS: u8 = Standing::Leaderless as u8;
        match self.standing.load(Ordering::Relaxed) {
            LEADERLESS => Standing::Leaderless,
            LATE => Standing::Late,
            _ => Standing::Ready,
        }
    }

    pub(super) fn set_standing(&self, standing: Standing) {
        self.standing.store(standing as u8, Ordering::Relaxed);
    }

    /// How many batches are full and not sent yet.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn set_waiting(&self, batches: usize) {
        self.waiting.store(batches, Ordering::Relaxed);
    }
}

/// The sender's view of all partitions that it has batches of, or had.
#[derive(Debug)]
pub(super) struct Loads {
    /// `partitioner.adaptive.partitioning.enable`
    adaptive: bool,
    /// `partitioner.availability.timeout.ms`; zero is never.
    timeout: Duration,
    queues: HashMap<Slot, Arc<Queue>>,
    /// How many batches wait, where any do.
    waiting: BTreeMap<Slot, usize>,
    /// Brokers that batches wait for, since when, or since the last answer.
    waited_for: BTreeMap<i32, Instant>,
    late: BTreeSet<i32>,
}

impl Loads {
    pub(super) fn new(adaptive: bool, timeout: Duration) -> Self {
        Self {
            adaptive,
            timeout,
            queues: HashMap::new(),
            waiting: BTreeMap::new(),
            waited_for: BTreeMap::new(),
            late: BTreeSet::new(),
        }
    }

    /// Learns whose a slot is.
    pub(super) fn add(&mut self, slot: Slot, queue: &Arc<Queue>) {
        self.queues.entry(slot).or_insert_with(|| queue.clone());
    }

    /// A broker that answers is not late.
    pub(super) fn answered(&mut self, broker: i32) {
        self.waited_for.remove(&broker);
    }

    /// Takes in what waits now, and tells the partitions.
    pub(super) fn update(
        &mut self,
        now: Instant,
        waiting: impl Iterator<Item = (Slot, usize)>,
        topology: &Topology,
        accumulator: &Accumulator,
    ) {
        if self.adaptive {
            self.count(waiting.collect());
        }
        let late = self.late(now, topology);
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

    fn count(&mut self, waiting: BTreeMap<Slot, usize>) {
        let before = std::mem::replace(&mut self.waiting, waiting);
        let gone = before
            .keys()
            .filter(|slot| !self.waiting.contains_key(slot));
        let changes = gone.map(|slot| (slot, &0)).chain(&self.waiting);
        for (slot, batches) in changes {
            if let Some(queue) = self.queues.get(slot) {
                queue.load.set_waiting(*batches);
            }
        }
    }

    /// The brokers that have not answered for too long while something waited for them.
    fn late(&mut self, now: Instant, topology: &Topology) -> BTreeSet<i32> {
        if self.timeout.is_zero() {
            return BTreeSet::new();
        }
        let queues = self.waiting.keys().filter_map(|s| self.queues.get(s));
        let leaders = queues.filter_map(|q| topology.leader(&q.topic, q.partition));
        let before = std::mem::take(&mut self.waited_for);
        self.waited_for = leaders
            .map(|(id, _)| (id, before.get(&id).copied().unwrap_or(now)))
            .collect();
        let since = self.waited_for.iter();
        let late = since.filter(|(_, since)| **since + self.timeout <= now);
        late.map(|(broker, _)| *broker).collect()
    }

    /// When the next broker becomes late, unless it answers.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let waited_for = self.waited_for.iter();
        let punctual = waited_for.filter(|(broker, _)| !self.late.contains(broker));
        punctual.map(|(_, since)| *since + self.timeout).min()
    }
}

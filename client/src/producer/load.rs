//! How busy partitions are: the sender writes it, and a caller that draws a partition for its records reads
//! it (KIP-794).

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use ottla_core::cluster::Partition;

/// Whether a partition can be written to; the greater, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// It has no leader, as far as the client knows.
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

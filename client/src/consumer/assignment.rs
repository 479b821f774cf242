//! What tells a partition's current assignment, and its current attempt at fetching, from older ones.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

/// A topic and partition.
pub(super) type Key = (Arc<str>, i32);

/// Which assignment or seek of a partition is the current one, and which attempt at fetching it:
/// tells what is out of date from what is not, all the way from the broker to the application.
/// Shared with the tasks. A new attempt leaves valid what the application was given by the old.
#[derive(Debug, Clone)]
pub(super) struct Incarnation(Arc<AtomicU64>);

impl Incarnation {
    pub(super) fn new(number: u32) -> Self {
        Self(Arc::new(AtomicU64::new(pack(number, number))))
    }

    fn load(&self) -> (u32, u32) {
        let both = self.0.load(Ordering::Acquire);
        ((both >> 32) as u32, both as u32)
    }

    /// The current assignment or seek.
    pub(super) fn wanted(&self) -> u32 {
        self.load().0
    }

    /// The current attempt at fetching.
    pub(super) fn fetching(&self) -> u32 {
        self.load().1
    }

    /// The assignment or seek that this attempt serves, unless it is out of date.
    pub(super) fn served_by(&self, fetching: u32) -> Option<u32> {
        let (wanted, current) = self.load();
        (current == fetching).then_some(wanted)
    }

    /// The application wants something else.
    pub(super) fn replace(&self, with: u32) {
        self.0.store(pack(with, with), Ordering::Release);
    }

    /// Fetching starts over; false when the application came before that.
    pub(super) fn supersede(&self, old: u32, new: u32) -> bool {
        let Some(wanted) = self.served_by(old) else {
            return false;
        };
        let (from, to) = (pack(wanted, old), pack(wanted, new));
        self.0
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }
}

const fn pack(wanted: u32, fetching: u32) -> u64 {
    (wanted as u64) << 32 | fetching as u64
}

/// Numbers for incarnations, none of them used twice.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers(Arc<AtomicU32>);

impl Numbers {
    pub(super) fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

//! When something happens to a partition by itself: one timer per partition, soonest first.

use std::{collections::BTreeSet, hash::Hash, time::Instant};

use rustc_hash::FxHashMap;

/// The timers of partitions, by their slot `S`.
#[derive(Debug)]
pub(crate) struct Timers<S> {
    due: BTreeSet<(Instant, S)>,
    set: FxHashMap<S, Instant>,
}

impl<S> Default for Timers<S> {
    fn default() -> Self {
        Self {
            due: BTreeSet::new(),
            set: FxHashMap::default(),
        }
    }
}

impl<S: Copy + Ord + Hash> Timers<S> {
    /// Sets or clears the timer of a partition.
    pub(crate) fn set(&mut self, slot: S, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.set.insert(slot, at),
            None => self.set.remove(&slot),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.due.remove(&(before, slot));
        }
        self.due.extend(at.map(|at| (at, slot)));
    }

    /// The partitions whose timers are due.
    pub(crate) fn due(&self, now: Instant) -> Vec<S> {
        let due = self.due.iter().take_while(|(at, _)| *at <= now);
        due.map(|(_, slot)| *slot).collect()
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }
}

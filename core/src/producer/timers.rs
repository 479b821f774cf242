//! When something happens to a partition by itself: one timer per partition, soonest first.

use std::{collections::BTreeSet, time::Instant};

use super::Slot;

#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Instant, Slot)>,
    set: Vec<Option<Instant>>,
}

impl Timers {
    pub(super) fn add_partition(&mut self) {
        self.set.push(None);
    }

    /// Sets or clears the timer of a partition.
    pub(super) fn set(&mut self, slot: Slot, at: Option<Instant>) {
        let Some(set) = self.set.get_mut(slot.0) else {
            return;
        };
        if *set == at {
            return;
        }
        if let Some(before) = std::mem::replace(set, at) {
            self.due.remove(&(before, slot));
        }
        self.due.extend(at.map(|at| (at, slot)));
    }

    /// The partitions whose timers are due.
    pub(super) fn due(&self, now: Instant) -> Vec<Slot> {
        let due = self.due.iter().take_while(|(at, _)| *at <= now);
        due.map(|(_, slot)| *slot).collect()
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }
}

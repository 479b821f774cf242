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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_partition_has_one_timer_which_is_due_at_its_time() {
        let (now, s) = (Instant::now(), Duration::from_secs);
        let mut timers = Timers::default();
        timers.set(1, Some(now + s(3)));
        timers.set(2, Some(now + s(2)));
        timers.set(1, Some(now + s(1)));
        timers.set(1, Some(now + s(1)));
        assert_eq!(timers.next(), Some(now + s(1)));
        assert_eq!(timers.due(now), [0; 0]);
        assert_eq!(timers.due(now + s(1)), [1]);
        assert_eq!(timers.due(now + s(9)), [1, 2]);
        timers.set(1, None);
        timers.set(1, None);
        assert_eq!(timers.due(now + s(9)), [2]);
        timers.set(2, None);
        assert_eq!(timers.next(), None);
    }
}

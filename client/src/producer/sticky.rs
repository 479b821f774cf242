//! Whose turn it is among a topic's partitions, for records that any of them will do for (KIP-794).
//!
//! One partition has the turn until it was given a batch's worth, so that batches fill. The next one
//! is drawn by lot. The more batches wait for a partition, the fewer lots it has: a slow broker gets
//! less, and still as much as it can bear.

use std::sync::atomic::{AtomicUsize, Ordering};

use ottla_core::backoff::Random;

use super::load::{Load, Standing};
use crate::seeds::Seeds;

/// The partition that has the turn, and how much it was given.
#[derive(Debug)]
pub(super) struct Turn {
    partition: AtomicUsize,
    /// Bytes since it has the turn.
    given: AtomicUsize,
    batch_size: usize,
    seeds: Seeds,
}

impl Turn {
    /// The first turn, drawn by lot.
    pub(super) fn first<'a>(
        loads: impl Iterator<Item = &'a Load>,
        batch_size: usize,
        seeds: Seeds,
    ) -> Self {
        Self {
            partition: AtomicUsize::new(Lots::new(loads).draw(Random(seeds.next()))),
            given: AtomicUsize::new(0),
            batch_size,
            seeds,
        }
    }

    #[inline]
    pub(super) fn partition(&self) -> usize {
        self.partition.load(Ordering::Relaxed)
    }

    /// Counts what the partition was given. Says whether its turn must end even though its batch is
    /// not full: where records with a key begin the batches, no other place in the code sees that a batch is full.
    #[inline]
    pub(super) fn give(&self, bytes: usize) -> bool {
        let limit = self.batch_size.saturating_mul(2);
        let before = self.given.fetch_add(bytes, Ordering::Relaxed);
        before < limit && before.saturating_add(bytes) >= limit
    }

    /// Whether it is another's turn when a batch would begin with a record of this size. Between
    /// batches only, so that none is left half full (KIP-794).
    pub(super) fn ends(&self, load: &Load, record: usize) -> bool {
        let given = self.given.load(Ordering::Relaxed);
        let had_enough = given.saturating_add(record) > self.batch_size;
        given > 0 && (had_enough || load.standing() != Standing::Ready)
    }

    /// Ends the turn of this partition, unless somebody else has. Says whose it is now.
    pub(super) fn pass_on<'a>(
        &self,
        partition: usize,
        loads: impl Iterator<Item = &'a Load>,
    ) -> usize {
        let next = Lots::new(loads).draw(Random(self.seeds.next()));
        let passed =
            self.partition
                .compare_exchange(partition, next, Ordering::Relaxed, Ordering::Relaxed);
        match passed {
            Ok(_) => {
                self.given.store(0, Ordering::Relaxed);
                next
            }
            Err(other) => other,
        }
    }
}

/// How many lots partitions have, each with those before it.
#[derive(Debug, PartialEq, Eq)]
struct Lots(Vec<usize>);

impl Lots {
    /// Partitions that can be written to, or else those with a leader, or else all. The busiest of
    /// them has one lot, and the others one more for each batch less that waits for them.
    fn new<'a>(loads: impl Iterator<Item = &'a Load>) -> Self {
        let loads: Vec<_> = loads.map(|l| (l.standing(), l.waiting())).collect();
        let best = loads.iter().map(|(standing, _)| *standing).max();
        let waiting = |(standing, waiting): &(Standing, usize)| {
            let waits = if best == Some(Standing::Ready) {
                *waiting
            } else {
                0
            };
            (Some(*standing) == best).then_some(waits)
        };
        let most = loads.iter().filter_map(waiting).max().unwrap_or(0);
        let lots = loads
            .iter()
            .map(|load| waiting(load).map_or(0, |n| most - n + 1));
        let sums = lots.scan(0, |sum, lots| {
            *sum += lots;
            Some(*sum)
        });
        Self(sums.collect())
    }

    fn draw(&self, mut random: Random) -> usize {
        let lot = random.below(self.0.last().copied().unwrap_or(0));
        self.0.partition_point(|sum| *sum <= lot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(waiting: &[usize]) -> Vec<Load> {
        let load = |waiting: &usize| {
            let load = Load::new(Standing::Ready);
            load.set_waiting(*waiting);
            load
        };
        waiting.iter().map(load).collect()
    }

    fn lots(loads: &[Load]) -> Vec<usize> {
        Lots::new(loads.iter()).0
    }

    /// How often each partition is drawn.
    fn drawn(loads: &[Load], times: u64) -> Vec<usize> {
        let lots = Lots::new(loads.iter());
        let mut drawn = vec![0; loads.len()];
        for seed in 0..times {
            drawn[lots.draw(Random(seed))] += 1;
        }
        drawn
    }

    /// The distance of what was drawn from what is expected, as chi-square has it.
    fn distance(drawn: &[usize], shares: &[usize]) -> f64 {
        let (total, all) = (drawn.iter().sum::<usize>(), shares.iter().sum::<usize>());
        let term = |(drawn, share): (&usize, &usize)| {
            let expected = (total * share) as f64 / all as f64;
            (*drawn as f64 - expected).powi(2) / expected
        };
        drawn.iter().zip(shares).map(term).sum()
    }

    /// The queues are those of the Java client's own test and of its explanation.
    #[test]
    fn the_longer_the_queue_the_fewer_the_lots_as_in_java() {
        assert_eq!(lots(&ready(&[5, 0, 3, 0, 1])), [1, 7, 10, 16, 21]);
        assert_eq!(lots(&ready(&[0, 3, 1])), [4, 5, 8]);
        let every_lot: Vec<_> = (0..8)
            .map(|n| [4, 5, 8].partition_point(|s| *s <= n))
            .collect();
        assert_eq!(every_lot, [0, 0, 0, 0, 1, 2, 2, 2]);
        let drawn = drawn(&ready(&[5, 0, 3, 0, 1]), 21_000);
        // With four degrees of freedom one in a thousand is farther off than 18.5.
        assert!(distance(&drawn, &[1, 6, 3, 6, 5]) < 18.5, "{drawn:?}");
    }

    #[test]
    fn equal_queues_are_drawn_equally_often() {
        for waiting in [0, 7] {
            let drawn = drawn(&ready(&[waiting; 5]), 20_000);
            assert!(distance(&drawn, &[1; 5]) < 18.5, "{drawn:?}");
        }
    }

    #[test]
    fn a_partition_that_cannot_be_written_to_has_no_lot_while_others_can() {
        let loads = ready(&[0, 9, 1]);
        loads[0].set_standing(Standing::Leaderless);
        assert_eq!(lots(&loads), [0, 1, 10]);
        loads[2].set_standing(Standing::Late);
        assert_eq!(lots(&loads), [0, 1, 1]);
        // Better late than without a leader, and better there than nowhere.
        loads[1].set_standing(Standing::Leaderless);
        assert_eq!(lots(&loads), [0, 0, 1]);
        loads[2].set_standing(Standing::Leaderless);
        assert_eq!(lots(&loads), [1, 2, 3]);
    }

    #[test]
    fn a_turn_ends_between_batches_once_a_batch_was_given() {
        let loads = ready(&[0; 3]);
        let turn = Turn::first(loads.iter(), 1000, Seeds::from(1));
        let load = &loads[turn.partition()];
        assert!(!turn.ends(load, 5000), "it was given nothing yet");
        assert!(!turn.give(700));
        assert!(!turn.ends(load, 300) && turn.ends(load, 301));
        load.set_standing(Standing::Late);
        assert!(turn.ends(load, 1), "it can wait no longer");
    }

    #[test]
    fn a_turn_ends_within_a_batch_after_twice_its_size() {
        let loads = ready(&[0; 3]);
        let turn = Turn::first(loads.iter(), 1000, Seeds::from(1));
        assert!(!turn.give(1999));
        assert!(turn.give(1) && !turn.give(1), "one sender ends it");
        let next = turn.pass_on(turn.partition(), loads.iter());
        assert_eq!(turn.partition(), next);
        assert!(!turn.give(1999) && turn.give(1), "the count begins again");
        // Who comes too late with it ends no other's turn.
        let other = (next + 1) % 3;
        assert_eq!(turn.pass_on(other, loads.iter()), next);
    }

    #[test]
    fn equal_seeds_take_equal_turns() {
        let turns = |seed| {
            let loads = ready(&[0; 50]);
            let turn = Turn::first(loads.iter(), 1000, Seeds::from(seed));
            let next = || turn.pass_on(turn.partition(), loads.iter());
            std::iter::repeat_with(next).take(20).collect::<Vec<_>>()
        };
        assert_eq!(turns(7), turns(7));
        assert_ne!(turns(7), turns(8));
    }
}

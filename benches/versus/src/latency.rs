//! Records that are sent at a steady rate, whatever became of those before them: an open loop. The
//! latency of a record counts from when it was due, so what sends too late does not flatter itself.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::Outcome;

/// One record in so many at the start does not count: connections are made, and caches filled.
const WARM_UP: usize = 10;
const HEAD: &str = "latency in ns:";

/// The records of a run: when each is due, and how long each took.
#[derive(Debug)]
pub struct Latencies {
    start: Instant,
    rate: u64,
    /// Nanoseconds from due to acknowledged; 0 until then.
    taken: Vec<AtomicU64>,
    /// Nanoseconds from due to sent.
    late: Vec<AtomicU64>,
}

/// What a run comes to: the time that so many of the records took at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percentiles {
    pub p50: u64,
    pub p99: u64,
    pub p999: u64,
    /// How much too late 99 of 100 records were sent at most, which is in the others too.
    pub late_p99: u64,
}

impl Latencies {
    /// Starts the clock: so many records, so many of them a second.
    pub fn start(records: u64, rate: u64) -> Self {
        let zeros = || (0..records).map(|_| AtomicU64::new(0)).collect();
        Self {
            start: Instant::now(),
            rate,
            taken: zeros(),
            late: zeros(),
        }
    }

    /// Waits until a record is due.
    pub fn await_due(&self, record: usize) {
        let due = self.due(record);
        let ahead = due.saturating_duration_since(Instant::now());
        if !ahead.is_zero() {
            thread::sleep(ahead);
        }
        let late = Instant::now().saturating_duration_since(due);
        self.late[record].store(late.as_nanos() as u64, Ordering::Relaxed);
    }

    pub fn acknowledged(&self, record: usize) {
        let taken = self.due(record).elapsed().as_nanos() as u64;
        self.taken[record].store(taken.max(1), Ordering::Relaxed);
    }

    fn due(&self, record: usize) -> Instant {
        self.start + Duration::from_nanos(record as u64 * 1_000_000_000 / self.rate)
    }

    /// An error unless all records are acknowledged.
    pub fn percentiles(&self) -> Outcome<Percentiles> {
        let unwritten = self
            .taken
            .iter()
            .filter(|taken| taken.load(Ordering::Relaxed) == 0);
        match unwritten.count() {
            0 => {}
            n => return Err(format!("{n} records were not acknowledged").into()),
        }
        let (taken, late) = (sorted(&self.taken), sorted(&self.late));
        Ok(Percentiles {
            p50: at(&taken, 0.5),
            p99: at(&taken, 0.99),
            p999: at(&taken, 0.999),
            late_p99: at(&late, 0.99),
        })
    }
}

fn sorted(values: &[AtomicU64]) -> Vec<u64> {
    let counted = values.iter().skip(values.len() / WARM_UP);
    let mut values: Vec<u64> = counted.map(|value| value.load(Ordering::Relaxed)).collect();
    values.sort_unstable();
    values
}

fn at(sorted: &[u64], share: f64) -> u64 {
    let rank = (sorted.len() as f64 * share) as usize;
    sorted[rank.min(sorted.len() - 1)]
}

impl Percentiles {
    /// Says it to the driver.
    pub fn print(&self) {
        let Self {
            p50,
            p99,
            p999,
            late_p99,
        } = self;
        println!("{HEAD} {p50} {p99} {p999} {late_p99}");
    }

    /// Finds what a peer printed.
    pub fn find(text: &str) -> Outcome<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix(HEAD));
        let words = line.ok_or("it said nothing of latency")?.split_whitespace();
        let numbers: Vec<u64> = words.map(str::parse).collect::<Result<_, _>>()?;
        let [p50, p99, p999, late_p99] = numbers[..] else {
            return Err("it did not say all percentiles".into());
        };
        Ok(Self {
            p50,
            p99,
            p999,
            late_p99,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_records_after_the_warm_up() {
        let latencies = Latencies::start(1000, 1_000_000_000);
        for (n, taken) in latencies.taken.iter().enumerate() {
            let taken_ns = if n < 100 { 1_000_000 } else { n as u64 };
            taken.store(taken_ns, Ordering::Relaxed);
        }
        let percentiles = latencies.percentiles().unwrap();
        let Percentiles { p50, p99, p999, .. } = percentiles;
        assert_eq!((p50, p99, p999), (550, 991, 999));
    }

    #[test]
    fn a_record_that_was_not_acknowledged_is_an_error() {
        let latencies = Latencies::start(10, 1_000_000_000);
        (0..9).for_each(|n| latencies.acknowledged(n));
        assert!(latencies.percentiles().is_err());
    }
}

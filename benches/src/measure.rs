//! Sides that do the same work, run in turn: many short rounds, so that what disturbs the machine
//! disturbs all of them alike.

use std::time::Instant;

use cpu_time::ThreadTime;

/// One of the sides that do the same work.
pub struct Side<'a> {
    name: &'static str,
    work: Box<dyn FnMut() + 'a>,
    repeat: usize,
    rounds: Vec<Time>,
    allocations: f64,
}

/// What one repetition took, in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Time {
    wall: f64,
    cpu: f64,
}

/// The medians of a side.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    pub name: &'static str,
    /// Nanoseconds by the clock.
    pub wall: f64,
    /// Nanoseconds of the thread: without what others ran meanwhile.
    pub cpu: f64,
    /// Those of Rust; what C allocates is not seen.
    pub allocations: f64,
}

impl<'a> Side<'a> {
    /// Runs the work a few times, to find how often it goes into a round of `slice_ns`.
    pub fn new(name: &'static str, slice_ns: f64, work: impl FnMut() + 'a) -> Self {
        let mut side = Self {
            name,
            work: Box::new(work),
            repeat: 1,
            rounds: Vec::new(),
            allocations: 0.0,
        };
        side.round();
        let once = side.round();
        side.repeat = ((slice_ns / once.cpu) as usize).max(1);
        let counted = allocation_counter::measure(|| (side.work)());
        side.allocations = counted.count_total as f64;
        side
    }

    fn round(&mut self) -> Time {
        let (wall, cpu) = (Instant::now(), ThreadTime::now());
        for _ in 0..self.repeat {
            (self.work)();
        }
        let (cpu, wall) = (cpu.elapsed(), wall.elapsed());
        let each = |time: std::time::Duration| time.as_nanos() as f64 / self.repeat as f64;
        Time {
            wall: each(wall),
            cpu: each(cpu).max(1e-3),
        }
    }

    fn measured(&self) -> Measured {
        Measured {
            name: self.name,
            wall: median(self.rounds.iter().map(|time| time.wall)),
            cpu: median(self.rounds.iter().map(|time| time.cpu)),
            allocations: self.allocations,
        }
    }
}

/// Runs all sides, one round each, again and again.
pub fn in_turn(rounds: usize, mut sides: Vec<Side<'_>>) -> Vec<Measured> {
    for _ in 0..rounds {
        for side in &mut sides {
            let time = side.round();
            side.rounds.push(time);
        }
    }
    sides.iter().map(Side::measured).collect()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

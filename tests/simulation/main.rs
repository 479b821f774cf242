//! Real clients on an embedded cluster, in virtual time, while everything goes wrong that may.
//!
//! A seed decides all of it: settings, load, faults and their times ([`plan`]). Requests pass a
//! hook that delays, drops, cuts, refuses or doubles them ([`faults`]), on pipes that are slow, cut
//! or deaf ([`wire`]), while leaders move, followers lag and brokers crash ([`world`]). In the end the
//! logs are held against what producers and a consumer were told ([`laws`]). Another consumer, of a
//! client of its own, assigns, seeks, pauses and is dropped all the time ([`wandering`]). When all is
//! quiet, clients hold nothing and ask for little ([`rates`]).
//!
//! ```sh
//! cargo test -p ottla-tests --test simulation                   # a few seeds of each family
//! SIM_SEEDS=5000 cargo test -p ottla-tests --test simulation    # many
//! SIM_SEED=17 cargo test -p ottla-tests --test simulation idempotent -- --nocapture   # one, with its trace
//! ```
//!
//! A run has one thread, a clock that jumps, and draws all randomness from its seed. What is left
//! to chance is whom tokio wakes first when several wait for the same thing; it takes a seed for
//! that only with `RUSTFLAGS="--cfg tokio_unstable"`. With it a seed is the same run every time.
//! Without it one that failed may pass, so a single seed is played several times.
#![allow(unexpected_cfgs, reason = "tokio_unstable is tokio's own")]

mod faults;
mod laws;
mod plan;
mod rates;
mod wandering;
mod wire;
mod world;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use plan::{Family, Plan};
use world::{Fate, History};

/// How many seeds of each family are played when nothing is said.
const SEEDS: u64 = 60;
/// How often a single seed is played when nothing is said.
const AGAIN: u64 = if cfg!(tokio_unstable) { 1 } else { 20 };
/// How much of a trace is shown.
const SHOWN: usize = 150;
/// No seed takes this long, unless a task spins.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn idempotent_producers_write_once_and_in_order() {
    storms(Family::Idempotent);
}

#[test]
fn producers_whose_every_request_is_answered_write_once_and_in_order() {
    storms(Family::Answered);
}

#[test]
fn records_that_forgetful_brokers_acknowledge_are_not_lost() {
    storms(Family::Forgetful);
}

#[test]
fn records_that_are_acknowledged_without_idempotence_are_not_lost() {
    storms(Family::AtLeastOnce);
}

/// Plays the seeds that the environment asks for.
fn storms(family: Family) {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    if let Some(seed) = number("SIM_SEED") {
        return storm_again(family, seed, number("SIM_SEEDS").unwrap_or(AGAIN));
    }
    let from = number("SIM_FROM").unwrap_or(0);
    let until = from + number("SIM_SEEDS").unwrap_or(SEEDS);
    let next = Arc::new(AtomicU64::new(from));
    let (done, played) = mpsc::channel();
    for _ in 0..thread::available_parallelism()
        .map_or(1, usize::from)
        .min(2)
    {
        let (next, done) = (next.clone(), done.clone());
        thread::spawn(move || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= until {
                    return;
                }
                let history = play(seed, family);
                let held = hold(seed, family, &history);
                let result = held.map(|()| Tally::of(&history));
                if done.send((seed, result)).is_err() {
                    return;
                }
            }
        });
    }
    drop(done);
    let (mut tally, mut failed) = (Tally::default(), BTreeMap::new());
    loop {
        match played.recv_timeout(PATIENCE) {
            Ok((_, Ok(run))) => tally += run,
            Ok((seed, Err(failure))) => drop(failed.insert(seed, failure)),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                panic!(
                    "one of the seeds before {} spins",
                    next.load(Ordering::Relaxed)
                )
            }
        }
    }
    println!("{family:?}, seeds {from}..{until}: {tally:?}");
    if let Some(first) = failed.values().next() {
        panic!("{first}\n\nseeds that failed: {:?}", failed.keys());
    }
    assert_eq!(tally.runs, until - from, "a run ended in a panic");
}

/// Plays one seed until it fails; shows what happened.
fn storm_again(family: Family, seed: u64, times: u64) {
    for _ in 0..times {
        let history = play(seed, family);
        if let Err(failure) = hold(seed, family, &history) {
            println!("{}", history.trace.join("\n"));
            panic!("{failure}");
        }
    }
    println!("seed {seed} was played {times} times, and everything held");
}

fn play(seed: u64, family: Family) -> History {
    let plan = Plan::new(seed, family);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_be_bytes()));
    let runtime = builder.build().expect("a runtime starts");
    runtime.block_on(world::run(&plan))
}

/// Says which laws are broken, with the events that led to it.
fn hold(seed: u64, family: Family, history: &History) -> Result<(), String> {
    let broken = laws::broken(family, history);
    if broken.is_empty() {
        return Ok(());
    }
    let trace = &history.trace;
    let skipped = trace.len().saturating_sub(SHOWN);
    let plan = Plan::new(seed, family);
    Err(format!(
        "SIM_SEED={seed}, {family:?}: {} laws are broken:\n{}\n\n{plan:#?}\n\n... {skipped} more\n{}",
        broken.len(),
        broken[..broken.len().min(20)].join("\n"),
        trace[skipped..].join("\n")
    ))
}

/// How often each outcome occurred, to see that enough goes wrong.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Tally {
    runs: u64,
    sent: usize,
    written: usize,
    failed: usize,
    possibly_written: usize,
    not_taken: usize,
    events: usize,
    wandered: usize,
}

impl Tally {
    fn of(history: &History) -> Self {
        let count = |f: fn(&Fate) -> bool| history.sent.iter().filter(|s| f(&s.fate)).count();
        let unsure = |f: &Fate| {
            matches!(
                f,
                Fate::Failed {
                    possibly_written: true,
                    ..
                }
            )
        };
        Self {
            runs: 1,
            sent: history.sent.len(),
            written: count(|f| matches!(f, Fate::Written(_))),
            failed: count(|f| matches!(f, Fate::Failed { .. })),
            possibly_written: count(unsure),
            not_taken: count(|f| matches!(f, Fate::NotTaken)),
            events: history.trace.len(),
            wandered: history.wandered.len(),
        }
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.sent += other.sent;
        self.written += other.written;
        self.failed += other.failed;
        self.possibly_written += other.possibly_written;
        self.not_taken += other.not_taken;
        self.events += other.events;
        self.wandered += other.wandered;
    }
}

#[test]
#[cfg(tokio_unstable)]
fn a_seed_plays_the_same_every_time() {
    for seed in 0..20 {
        let play = || play(seed, Family::Idempotent);
        let (one, other) = (play(), play());
        assert_eq!(one.trace, other.trace);
        assert_eq!(one.read, other.read);
    }
}

//! Ours and the peers in turn, many short rounds, so that what disturbs the machine disturbs all of
//! them alike: `cargo run --release --bin ratios`.

use std::{hint::black_box, time::Instant};

use bytes::BytesMut;
use ottla_benches::{
    messages::{self, KrafkaFetch, KrafkaMetadata},
    records::Case,
};
use ottla_protocol::records::Decompressor;

const ROUNDS: usize = 41;
/// How long one side runs in one round, about.
const SLICE_NS: f64 = 4e6;

/// One of the sides that do the same work.
struct Side<'a> {
    name: &'static str,
    work: Box<dyn FnMut() + 'a>,
    repeat: usize,
    ns: Vec<f64>,
    allocations: f64,
}

impl<'a> Side<'a> {
    fn new(name: &'static str, work: impl FnMut() + 'a) -> Self {
        let mut side = Self {
            name,
            work: Box::new(work),
            repeat: 1,
            ns: Vec::new(),
            allocations: 0.0,
        };
        side.round();
        let once = side.round();
        side.repeat = ((SLICE_NS / once) as usize).max(1);
        let counted = allocation_counter::measure(|| (side.work)());
        side.allocations = counted.count_total as f64;
        side
    }

    /// Runs for one slice; returns the nanoseconds of one repetition.
    fn round(&mut self) -> f64 {
        let start = Instant::now();
        for _ in 0..self.repeat {
            (self.work)();
        }
        start.elapsed().as_nanos() as f64 / self.repeat as f64
    }

    fn median(&mut self) -> f64 {
        self.ns.sort_by(f64::total_cmp);
        self.ns[self.ns.len() / 2]
    }
}

/// Prints a row per side; ours is the first, and the others are held against it.
fn compare(what: &str, per: usize, mut sides: Vec<Side<'_>>) {
    for _ in 0..ROUNDS {
        for side in &mut sides {
            let ns = side.round();
            side.ns.push(ns);
        }
    }
    let ours = sides[0].median();
    for side in &mut sides {
        let ns = side.median();
        let each = per as f64;
        println!(
            "| {what} | {} | {:.1} | {:.4} | {:.2} |",
            side.name,
            ns / each,
            side.allocations / each,
            ns / ours
        );
    }
}

fn main() {
    println!("| work | side | median ns | allocations | side / ottla |");
    println!("|---|---|---:|---:|---:|");
    for value in [10, 100, 1000, 10_000] {
        records(&Case::new(value));
    }
    let (metadata, fetch, produce) = (messages::metadata(), messages::fetch(), messages::produce());
    let decode = |name: &str| format!("decode {name}");
    let encode = |name: &str| format!("encode {name}");
    compare(
        &decode(metadata.name),
        1,
        vec![
            Side::new("ottla", || drop(black_box(metadata.decode()))),
            Side::new("kafka-protocol", || drop(black_box(metadata.kp_decode()))),
            Side::new("krafka", || {
                drop(black_box(metadata.kr_decode::<KrafkaMetadata>()))
            }),
        ],
    );
    compare(
        &decode(fetch.name),
        1,
        vec![
            Side::new("ottla", || drop(black_box(fetch.decode()))),
            Side::new("kafka-protocol", || drop(black_box(fetch.kp_decode()))),
            Side::new("krafka", || {
                drop(black_box(fetch.kr_decode::<KrafkaFetch>()))
            }),
        ],
    );
    compare(
        &decode(produce.name),
        1,
        vec![
            Side::new("ottla", || drop(black_box(produce.decode()))),
            Side::new("kafka-protocol", || drop(black_box(produce.kp_decode()))),
        ],
    );
    let mut out = BytesMut::new();
    compare(
        &encode(metadata.name),
        1,
        vec![
            Side::new("ottla", || drop(black_box(metadata.encode()))),
            Side::new("kafka-protocol", || metadata.kp_encode(black_box(&mut out))),
        ],
    );
    compare(
        &encode(fetch.name),
        1,
        vec![
            Side::new("ottla", || drop(black_box(fetch.encode()))),
            Side::new("kafka-protocol", || fetch.kp_encode(black_box(&mut out))),
        ],
    );
    compare(
        &encode(produce.name),
        1,
        vec![
            Side::new("ottla", || drop(black_box(produce.encode()))),
            Side::new("kafka-protocol", || produce.kp_encode(black_box(&mut out))),
        ],
    );
}

fn records(case: &Case) {
    let mut decompressor = Decompressor::default();
    let mut kp_out = BytesMut::new();
    let mut buffer = Vec::new();
    compare(
        &format!("decode {} B records", case.value),
        case.count,
        vec![
            Side::new("ottla", || _ = black_box(case.decode(&mut decompressor))),
            Side::new("kafka-protocol", || _ = black_box(case.kp_decode())),
            Side::new("krafka", || _ = black_box(case.kr_decode())),
        ],
    );
    compare(
        &format!("encode {} B records", case.value),
        case.count,
        vec![
            Side::new("ottla", || {
                buffer = black_box(case.encode(std::mem::take(&mut buffer)).0)
            }),
            Side::new("kafka-protocol", || case.kp_encode(black_box(&mut kp_out))),
            Side::new("krafka", || drop(black_box(case.kr_encode()))),
        ],
    );
}

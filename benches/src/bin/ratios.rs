//! Ours and the peers in turn: `cargo run --release --bin ratios`.

use std::hint::black_box;

use bytes::BytesMut;
use ottla_benches::{
    measure::{Side, in_turn},
    messages::{self, KrafkaFetch, KrafkaMetadata},
    old_messages::{Fetch, Metadata, Produce},
    records::Case,
};
use ottla_protocol::records::Decompressor;

const ROUNDS: usize = 41;
/// How long one side runs in one round, about.
const SLICE_NS: f64 = 4e6;

fn side<'a>(name: &'static str, work: impl FnMut() + 'a) -> Side<'a> {
    Side::new(name, SLICE_NS, work)
}

/// Prints a row per side; ours is the first, and the others are held against it.
fn compare(what: &str, per: usize, sides: Vec<Side<'_>>) {
    let (sides, each) = (in_turn(ROUNDS, sides), per as f64);
    for side in &sides {
        println!(
            "| {what} | {} | {:.1} | {:.1} | {:.4} | {:.2} |",
            side.name,
            side.cpu / each,
            side.wall / each,
            side.allocations / each,
            side.cpu / sides[0].cpu
        );
    }
}

fn main() {
    println!("| work | side | CPU ns | ns by the clock | allocations | side / ottla |");
    println!("|---|---|---:|---:|---:|---:|");
    for value in [10, 100, 1000, 10_000] {
        records(&Case::new(value));
    }
    metadata();
    fetch();
    produce();
}

fn records(case: &Case) {
    let mut decompressor = Decompressor::default();
    compare(
        &format!("decode {} B records", case.value),
        case.count,
        vec![
            side("ottla", || _ = black_box(case.decode(&mut decompressor))),
            side("kafka-protocol", || _ = black_box(case.kp_decode())),
            side("krafka", || _ = black_box(case.kr_decode())),
            side("rskafka", || _ = black_box(case.rs_decode())),
        ],
    );
    let (mut buffer, mut kp_out, mut rs_out) = (Vec::new(), BytesMut::new(), Vec::new());
    compare(
        &format!("encode {} B records", case.value),
        case.count,
        vec![
            side("ottla", || {
                buffer = black_box(case.encode(std::mem::take(&mut buffer)).0)
            }),
            side("kafka-protocol", || case.kp_encode(black_box(&mut kp_out))),
            side("krafka", || drop(black_box(case.kr_encode()))),
            side("rskafka", || case.rs_encode(black_box(&mut rs_out))),
        ],
    );
}

fn metadata() {
    let (case, old) = (messages::metadata(), Metadata::new());
    let mut out = BytesMut::new();
    compare(
        &format!("decode {}", case.name),
        1,
        vec![
            side("ottla", || drop(black_box(case.decode()))),
            side("kafka-protocol", || drop(black_box(case.kp_decode()))),
            side("krafka", || {
                drop(black_box(case.kr_decode::<KrafkaMetadata>()))
            }),
        ],
    );
    compare(
        &format!("decode {}", Metadata::NAME),
        1,
        vec![
            side("ottla", || drop(black_box(old.decode()))),
            side("kafka-protocol", || drop(black_box(old.kp_decode()))),
            side("rskafka", || drop(black_box(old.rs_decode()))),
        ],
    );
    compare(
        &format!("encode {}", case.name),
        1,
        vec![
            side("ottla", || drop(black_box(case.encode()))),
            side("kafka-protocol", || case.kp_encode(black_box(&mut out))),
        ],
    );
}

fn fetch() {
    let (case, old) = (messages::fetch(), Fetch::new());
    let (mut decompressor, mut out) = (Decompressor::default(), BytesMut::new());
    compare(
        &format!("decode {}", case.name),
        1,
        vec![
            side("ottla", || drop(black_box(case.decode()))),
            side("kafka-protocol", || drop(black_box(case.kp_decode()))),
            side("krafka", || {
                drop(black_box(case.kr_decode::<KrafkaFetch>()))
            }),
        ],
    );
    compare(
        &format!("decode {}", Fetch::NAME),
        1,
        vec![
            side("ottla", || _ = black_box(old.decode(&mut decompressor))),
            side("kafka-protocol", || _ = black_box(old.kp_decode())),
            side("rskafka", || _ = black_box(old.rs_decode())),
        ],
    );
    compare(
        &format!("encode {}", case.name),
        1,
        vec![
            side("ottla", || drop(black_box(case.encode()))),
            side("kafka-protocol", || case.kp_encode(black_box(&mut out))),
        ],
    );
}

fn produce() {
    let (case, old) = (messages::produce(), Produce::new());
    let (mut out, mut rs_out) = (BytesMut::new(), Vec::new());
    compare(
        &format!("decode {}", case.name),
        1,
        vec![
            side("ottla", || drop(black_box(case.decode()))),
            side("kafka-protocol", || drop(black_box(case.kp_decode()))),
        ],
    );
    compare(
        &format!("encode {}", case.name),
        1,
        vec![
            side("ottla", || drop(black_box(case.encode()))),
            side("kafka-protocol", || case.kp_encode(black_box(&mut out))),
        ],
    );
    compare(
        &format!("encode {}", Produce::NAME),
        1,
        vec![
            side("ottla", || drop(black_box(old.encode()))),
            side("kafka-protocol", || old.kp_encode(black_box(&mut out))),
            side("rskafka", || old.rs_encode(black_box(&mut rs_out))),
        ],
    );
}

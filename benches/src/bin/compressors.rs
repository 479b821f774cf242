//! Our compressors beside the C that they stand for, in turn:
//! `cargo run --release --bin compressors`, with `--features snappy` where Google's libsnappy is
//! installed. A name as argument, such as `lz4`, picks that compression; a number, such as `65536`,
//! that size of batch.

use bytes::Bytes;
use ottla_benches::{
    compressors::Case,
    measure::{Measured, Side, in_turn},
};
use ottla_protocol::records::Compression;

const ROUNDS: usize = 15;
/// How long one side runs in one round, about.
const SLICE_NS: f64 = 20e6;
const SIZES: [usize; 3] = [16 * 1024, 64 * 1024, 256 * 1024];
/// What ours may take of the time that C takes.
const BOUND: f64 = 1.3;

fn main() {
    let picked: Vec<String> = std::env::args().skip(1).collect();
    let is_picked = |name: &str, any: &[String]| {
        let others = any.iter().any(|one| picked.contains(one));
        !others || picked.iter().any(|one| one == name)
    };
    let names = Compression::ALL.map(|compression| compression.to_string());
    let sizes = SIZES.map(|size| size.to_string());
    println!(
        "| work | batch KiB | C | MB/s, ottla | MB/s, C | packed, ottla | packed, C \
         | us a batch, ottla | us a batch, C | allocations | by the clock | ottla / C | |"
    );
    println!("|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|");
    for compression in &Compression::ALL[1..] {
        for size in SIZES {
            let wanted = is_picked(compression.name(), &names);
            if !wanted || !is_picked(&size.to_string(), &sizes) {
                continue;
            }
            match Case::new(*compression, size) {
                Some(case) => compare(&case, size),
                None => println!(
                    "| {compression} | {} | skipped: not built in |",
                    size / 1024
                ),
            }
        }
    }
}

/// Prints a row for each way.
fn compare(case: &Case, size: usize) {
    let (mut ours, mut theirs) = (case.ours(), case.theirs().expect("it was there"));
    let name = theirs.name;
    let compressing = in_turn(
        ROUNDS,
        vec![
            Side::new("ottla", SLICE_NS, || case.compress(&mut ours)),
            Side::new(name, SLICE_NS, || case.c_compress(&mut theirs)),
        ],
    );
    print(case, "compress", size, &compressing);
    let decompressing = in_turn(
        ROUNDS,
        vec![
            Side::new("ottla", SLICE_NS, || case.decompress(&mut ours)),
            Side::new(name, SLICE_NS, || case.c_decompress(&mut theirs)),
        ],
    );
    print(case, "decompress", size, &decompressing);
}

fn print(case: &Case, work: &str, size: usize, sides: &[Measured]) {
    let [ours, theirs] = sides else {
        unreachable!("there are two sides")
    };
    let batches = case.batches() as f64;
    let speed = |side: &Measured| case.bytes as f64 * 1e3 / side.cpu;
    let each = |side: &Measured| side.cpu / batches / 1e3;
    let packed = |made: &[Bytes]| {
        let packed: usize = made.iter().map(Bytes::len).sum();
        100.0 * packed as f64 / case.bytes as f64
    };
    let ratio = ours.cpu / theirs.cpu;
    let columns = [
        format!("{work} {}", case.compression),
        (size / 1024).to_string(),
        theirs.name.to_owned(),
        format!("{:.0}", speed(ours)),
        format!("{:.0}", speed(theirs)),
        format!("{:.1} %", packed(&case.ours)),
        format!("{:.1} %", packed(&case.theirs)),
        format!("{:.1}", each(ours)),
        format!("{:.1}", each(theirs)),
        format!("{:.1}", ours.allocations / batches),
        format!("{:.2}", ours.wall / theirs.wall),
        format!("{ratio:.2}"),
        if ratio > BOUND { "above 1.3" } else { "" }.to_owned(),
    ];
    println!("| {} |", columns.join(" | "));
}

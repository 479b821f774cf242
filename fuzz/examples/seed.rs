//! Writes what the fuzz targets start from into `target/seeds/`: `cargo run --example seed`, from
//! this folder. Most of it was written by Kafka itself. The same seeds come out every time.

use std::{fs, io, path::Path};

use bytes::Bytes;
use ottla_protocol::{
    frame,
    messages::{APIS, ApiVersionsRequest, FetchRequest, MetadataRequest},
    records::{
        BatchBuilder, BatchHeader, Compression, Compressor, Decompressor, Header, NewRecord,
        ProducerStamp,
    },
};

/// Every message in every version as Kafka wrote it; `protocol/tests/java` says more.
const GOLDEN: &[u8] = include_bytes!("../../protocol/testdata/golden.txt.gz");
/// Batches and legacy message sets as Kafka wrote them.
const BATCHES: &str = include_str!("../../protocol/testdata/batches.txt");
/// A seed longer than this teaches nothing that a shorter one does not.
const LONGEST: usize = 2048;

fn main() -> io::Result<()> {
    frames()?;
    golden()?;
    request_header()?;
    batches()?;
    packed()?;
    generated()?;
    decompress()
}

fn write(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/seeds")
        .join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

/// Pieces as `fuzz_targets/frames.rs` reads them.
fn frames() -> io::Result<()> {
    let answer = |id: u8| [0, 0, 0, 6, 0, 0, 0, id, b'o', b'k'];
    let whole = [&[2, 20][..], &answer(0), &answer(1)].concat();
    let split = [&[1, 3][..], &answer(0)[..3], &[7], &answer(0)[3..]].concat();
    // 64 KiB and 512 KiB of zeros behind the correlation id.
    let large = [1, 8, 0, 1, 0, 4, 0, 0, 0, 0, 0xfc];
    let larger = [2, 8, 0, 8, 0, 4, 0, 0, 0, 0, 0xff, 3, 0, 0, 0];
    write("frames", "whole", &whole)?;
    write("frames", "split", &split)?;
    write("frames", "large", &large)?;
    write("frames", "larger", &larger)?;
    write("frames", "http", b"\x01\x08HTTP/1.1")?;
    write("frames", "tls", &[1, 7, 0x15, 3, 3, 0, 2, 2, 70])
}

/// Messages and group metadata as Kafka wrote them, the choosing bytes in front.
fn golden() -> io::Result<()> {
    let golden = Bytes::from_static(GOLDEN);
    let text = Decompressor::default().decompress(Compression::Gzip, &golden);
    let text = String::from_utf8_lossy(&text.expect("it unpacks")).into_owned();
    for line in text.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [name, version, what, kind, hex] = words[..] else {
            panic!("{words:?} are not five words");
        };
        if hex.len() > 2 * LONGEST {
            continue;
        }
        let Some((target, mut seed)) = choosing(name, version.parse().expect("a number"), what)
        else {
            continue;
        };
        seed.extend(unhex(hex));
        write(target, &format!("{name}-{version}-{what}-{kind}"), &seed)?;
    }
    Ok(())
}

/// The target that reads a message, and the bytes that make it choose this one; `None` for what
/// this crate does not speak.
fn choosing(name: &str, version: i16, what: &str) -> Option<(&'static str, Vec<u8>)> {
    let [high, low] = version.to_be_bytes();
    match name {
        "ConsumerProtocolSubscription" => return Some(("groups", vec![0, high, low])),
        "ConsumerProtocolAssignment" => return Some(("groups", vec![1, high, low])),
        _ => {}
    }
    let i = APIS.iter().position(|api| api.name == name)?;
    let versions = &APIS[i].versions;
    let step = (version - versions.start()) as u8;
    let direction = u8::from(what == "response");
    versions
        .contains(&version)
        .then(|| ("messages", vec![i as u8, direction, step]))
}

fn request_header() -> io::Result<()> {
    let frames = [
        (
            "classic",
            frame::request(&ApiVersionsRequest::default(), 0, None),
        ),
        (
            "flexible",
            frame::request(&MetadataRequest::default(), 12, Some("seed")),
        ),
        (
            "fetch",
            frame::request(&FetchRequest::default(), 16, Some("seed")),
        ),
    ];
    for (name, frame) in frames {
        let frame = frame.expect("it fits").concat();
        write("request_header", name, &frame[4..])?;
    }
    Ok(())
}

fn batch(compression: Compression, transactional: bool) -> Vec<u8> {
    let headers = [
        Header {
            key: b"h",
            value: None,
        },
        Header {
            key: b"h",
            value: Some(b"1"),
        },
    ];
    let mut builder = BatchBuilder::new(Vec::new(), 1 << 20);
    for i in 0..20 {
        builder.append(&NewRecord {
            timestamp: 1_700_000_000_000 + 70 * i,
            key: (i % 2 == 0).then_some(b"key"),
            value: (i % 5 != 1).then_some(b"the same words again and again"),
            headers: if i % 3 == 0 { &headers } else { &[] },
        });
    }
    let mut compressor = Compressor::new(compression, None);
    let (mut batch, _) = builder
        .seal_compressed(&mut compressor, Vec::new())
        .expect("it packs");
    batch.stamp(ProducerStamp {
        id: 7,
        epoch: 1,
        sequence: 3,
        transactional,
    });
    batch.as_ref().to_vec()
}

fn batches() -> io::Result<()> {
    for compression in Compression::ALL {
        write("batches", compression.name(), &batch(compression, false))?;
    }
    let all = Compression::ALL.map(|c| batch(c, true)).concat();
    write("batches", "all", &all)?;
    write("batches", "cut", &all[..all.len() - 20])?;
    for (title, bytes) in kafkas() {
        write("batches", &title.replace(' ', "-"), &bytes)?;
    }
    Ok(())
}

/// Titles and bytes of what Kafka wrote, the long ones aside.
fn kafkas() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let titled = BATCHES.lines().zip(BATCHES.lines().skip(1));
    titled
        .filter(|(title, _)| title.starts_with("set ") || title.starts_with("batch "))
        .map(|(title, hex)| (title, unhex(hex)))
        .filter(|(_, bytes)| bytes.len() <= LONGEST)
}

fn unhex(hex: &str) -> Vec<u8> {
    let digit = |c: &u8| char::from(*c).to_digit(16).expect("a digit") as u8;
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|p| digit(&p[0]) << 4 | digit(&p[1])).collect()
}

/// What is not compressed yet, once for every codec: records, and the sets of legacy messages.
fn packed() -> io::Result<()> {
    for (title, bytes) in kafkas() {
        let magic = bytes[16];
        let (records, count) = match (magic, title.ends_with("-none")) {
            (2, _) if bytes[22] & 7 == 0 => (&bytes[BatchHeader::LEN..], bytes[60]),
            (0 | 1, true) => (&bytes[..], 100),
            _ => continue,
        };
        let kind = if magic == 2 { bytes[22] & !7 } else { 0 };
        for codec in Compression::ALL {
            let seed = [&[magic, kind | codec.id(), count], records].concat();
            write(
                "packed",
                &format!("{}-{codec}", title.replace(' ', "-")),
                &seed,
            )?;
        }
    }
    Ok(())
}

/// Bytes enough for every message there is and some edits.
fn generated() -> io::Result<()> {
    for (target, edits) in [("mutate", 24), ("round_trip", 0)] {
        for api in 0..=u8::MAX {
            for (response, version) in [(0, 0), (1, 0), (0, u8::MAX), (1, u8::MAX)] {
                let name = format!("{api}-{response}-{version}");
                let edits = (0..edits).map(|i: u8| i.wrapping_mul(53).wrapping_add(api));
                let seed = match target {
                    "mutate" => vec![api, response, version, api, version],
                    _ => [&[api; 8][..], &[api, response, version]].concat(),
                };
                let seed: Vec<_> = seed.into_iter().chain(edits).collect();
                write(target, &name, &seed)?;
            }
        }
    }
    Ok(())
}

fn decompress() -> io::Result<()> {
    let words = b"some words, some words, some other words ".repeat(40);
    for compression in &Compression::ALL[1..] {
        let mut seed = vec![compression.id()];
        let mut compressor = Compressor::new(*compression, None);
        compressor.compress(&words, &mut seed).expect("it packs");
        write("decompress", compression.name(), &seed)?;
        // A bomb, and a second stream behind the first.
        compressor
            .compress(&[0; 600_000], &mut seed)
            .expect("it packs");
        if seed.len() < 8000 {
            write("decompress", &format!("{compression}-twice"), &seed)?;
        }
    }
    for (title, bytes) in kafkas().filter(|(title, _)| title.starts_with("batch ")) {
        let seed = [&[bytes[22] & 7], &bytes[BatchHeader::LEN..]].concat();
        write("decompress", &title.replace(' ', "-"), &seed)?;
    }
    write("decompress", "snappy-raw", b"\x02\x09\x20raw words")
}

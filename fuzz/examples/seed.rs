//! Writes the seeds in `corpus/`: `cargo run --example seed`, from this folder. The same seeds come
//! out every time.

use std::{fs, io, path::Path};

use ottla_protocol::{
    frame,
    messages::{APIS, ApiKey, ApiVersionsRequest, FetchRequest, MetadataRequest},
    records::{BatchBuilder, Compression, Compressor, Header, NewRecord, ProducerStamp},
    wire::{Writer, any::Gen},
};

/// The APIs with the most intricate answers, and those that every client asks.
const MESSAGES: &[ApiKey] = &[
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::ListOffsets,
    ApiKey::Metadata,
    ApiKey::OffsetFetch,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::ApiVersions,
    ApiKey::DescribeQuorum,
    ApiKey::ConsumerGroupHeartbeat,
    ApiKey::ShareFetch,
];
/// What Kafka wrote, for what this crate reads and does not write.
const KAFKAS: &str = include_str!("../../protocol/testdata/batches.txt");
/// A seed longer than this teaches nothing that a shorter one does not.
const LONGEST: usize = 1500;

fn main() -> io::Result<()> {
    frames()?;
    messages()?;
    request_header()?;
    batches()?;
    decompress()
}

fn write(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
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

/// The oldest and the newest version of a few messages, the choosing bytes in front.
fn messages() -> io::Result<()> {
    for (i, api) in APIS
        .iter()
        .enumerate()
        .filter(|(_, api)| MESSAGES.contains(&api.key))
    {
        let newest = api.versions.end() - api.versions.start();
        for (codec, direction) in [(&api.request, 0), (&api.response, 1)] {
            for step in [0, newest] {
                let version = api.versions.start() + step;
                let bodies = (0..20).map(|seed| {
                    let mut w = Writer::new(version, version >= api.flexible);
                    (codec.any)(&mut Gen::new(seed, version)).encode(&mut w);
                    let body = w.finish().expect("a generated message fits its version");
                    body.concat()
                });
                let body = bodies.filter(|b| b.len() < LONGEST).max_by_key(Vec::len);
                let mut seed = vec![i as u8, direction, step as u8];
                seed.extend(body.unwrap_or_default());
                let kind = ["request", "response"][usize::from(direction)];
                write("messages", &format!("{}-{kind}-{version}", api.name), &seed)?;
            }
        }
    }
    Ok(())
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
    let kafkas = [
        "set 0-none",
        "set 0-lz4",
        "set 1-appended-gzip",
        "set 1-snappy",
        "batch abort",
    ];
    for title in kafkas {
        write("batches", &title.replace(' ', "-"), &kafkas_bytes(title))?;
    }
    Ok(())
}

fn kafkas_bytes(title: &str) -> Vec<u8> {
    let mut lines = KAFKAS.lines().skip_while(|line| *line != title);
    let hex = lines.nth(1).expect("a line of bytes").as_bytes();
    let digit = |c: &u8| char::from(*c).to_digit(16).expect("a digit") as u8;
    let pairs = hex.chunks(2).map(|p| digit(&p[0]) << 4 | digit(&p[1]));
    pairs.collect()
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
    write("decompress", "snappy-raw", b"\x02\x09\x20raw words")
}

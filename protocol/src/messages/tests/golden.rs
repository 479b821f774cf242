//! Every message in every version against bytes that Kafka's own classes wrote:
//! `testdata/golden.txt.gz`, which `tests/java/GoldenMessages.java` writes and describes.

use std::{collections::HashMap, io::Read};

use bytes::Bytes;
use flate2::read::GzDecoder;

use super::{Codec, each_message};
use crate::wire::{Reader, Writer};

const GOLDEN: &[u8] = include_bytes!("../../../testdata/golden.txt.gz");

/// What a message is filled with; `GoldenMessages.java` says more.
#[rustfmt::skip]
const KINDS: [&str; 7] =
    ["DEFAULT", "FULL", "NULLS", "INNER_NULLS", UNKNOWN_TAGS, "EMPTY", "LONG"];
const UNKNOWN_TAGS: &str = "UNKNOWN_TAGS";

/// One message: which it is, and what Kafka writes for it.
struct Golden<'a> {
    codec: &'a Codec,
    version: i16,
    flexible: bool,
    /// Everything above in words, to find it in the file and to say in a failure.
    name: String,
    bytes: Bytes,
    /// What we must write once we have read it.
    expected: Bytes,
}

/// Visits every message that we speak. One that Kafka did not write fails.
fn each_golden(mut visit: impl FnMut(&Golden<'_>)) {
    let mut text = String::new();
    let unpacked = GzDecoder::new(GOLDEN).read_to_string(&mut text);
    unpacked.expect("it unpacks");
    let lines: HashMap<_, _> = text
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .collect();
    let bytes = |name: &str| {
        let hex = lines
            .get(name)
            .unwrap_or_else(|| panic!("there is no {name}"));
        unhex(hex)
    };
    each_message(|table, version| {
        let flexible = version >= table.flexible;
        for kind in KINDS {
            if kind == UNKNOWN_TAGS && !flexible {
                continue;
            }
            let name = format!("{} {version} {} {kind}", table.name, table.what);
            visit(&Golden {
                codec: table.codec,
                version,
                flexible,
                bytes: bytes(&name),
                // What a newer peer tagged on is dropped, and nothing else.
                expected: bytes(&name.replace(UNKNOWN_TAGS, "FULL")),
                name,
            });
        }
    });
}

fn unhex(hex: &str) -> Bytes {
    let digit = |c: u8| if c > b'9' { c - b'a' + 10 } else { c - b'0' };
    let pairs = hex.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

impl Golden<'_> {
    /// Reads bytes as this message and writes it again.
    fn rewritten(&self, bytes: &Bytes) -> Result<Bytes, String> {
        let mut r = Reader::new(bytes, self.version, self.flexible);
        let message = (self.codec.decode)(&mut r).map_err(|e| format!("it does not read: {e}"))?;
        if r.remaining() > 0 {
            return Err(format!(
                "reading ends at byte {} of {}",
                r.offset(),
                bytes.len()
            ));
        }
        let mut w = Writer::new(self.version, self.flexible);
        message.encode(&mut w);
        let segments = w.finish().map_err(|e| format!("it does not write: {e}"))?;
        Ok(segments.concat().into())
    }
}

/// Where and how two byte strings part, in the words of a failure.
fn compare(ours: &[u8], kafkas: &[u8]) -> Result<(), String> {
    let same = ours.iter().zip(kafkas).take_while(|(a, b)| a == b).count();
    if same == ours.len() && same == kafkas.len() {
        return Ok(());
    }
    let near = |bytes: &[u8]| bytes[same..].iter().take(8).copied().collect::<Vec<_>>();
    let (a, b) = (near(kafkas), near(ours));
    Err(format!(
        "from byte {same} on Kafka writes {a:02x?}, we write {b:02x?}"
    ))
}

#[test]
fn what_kafka_writes_is_read_whole_and_written_alike() {
    let mut found = Vec::new();
    let mut count = 0;
    each_golden(|golden| {
        count += 1;
        let ours = golden.rewritten(&golden.bytes);
        if let Err(what) = ours.and_then(|ours| compare(&ours, &golden.expected)) {
            found.push(format!("{}: {what}", golden.name));
        }
    });
    let n = found.len();
    found.truncate(20);
    let found = found.join("\n");
    assert!(
        found.is_empty(),
        "{n} of {count} messages differ from Kafka's:\n{found}"
    );
}

#[test]
fn a_golden_message_cut_short_is_never_taken_for_whole() {
    each_golden(|golden| {
        let step = golden.bytes.len() / 8 + 1;
        for n in (0..golden.bytes.len()).step_by(step) {
            let read = golden.rewritten(&golden.bytes.slice(..n));
            assert!(read.is_err(), "{} cut to {n} bytes", golden.name);
        }
    });
}

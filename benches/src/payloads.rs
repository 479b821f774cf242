//! What is compressed: the records of batches as applications write them, lines of JSON whose names
//! repeat and whose values mostly do not.

use std::fmt::Write;

use bytes::{Bytes, BytesMut};
use kafka_protocol::records::Record;
use ottla_protocol::records::BatchHeader;

use crate::records::{kp_append, kp_record};

/// All batches of one size together: more than what a core's nearest caches hold.
const TOTAL: usize = 4 << 20;
/// About what a record takes besides key and value.
const OVERHEAD: usize = 12;

const SERVICES: [&str; 8] = [
    "checkout",
    "search",
    "inventory",
    "payments",
    "accounts",
    "shipping",
    "mail",
    "gateway",
];
const LEVELS: [&str; 4] = ["INFO", "INFO", "WARN", "ERROR"];
const METHODS: [&str; 4] = ["GET", "GET", "POST", "DELETE"];
const WORDS: [&str; 16] = [
    "order", "of", "customer", "was", "rejected", "because", "the", "card", "expired", "retrying",
    "after", "timeout", "while", "waiting", "for", "reply",
];

/// The records of many different batches of about `size` bytes each, as they stand behind the
/// header of a batch that is not compressed.
pub fn batches(size: usize) -> Vec<Bytes> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    (0..TOTAL / size)
        .map(|_| batch(size, &mut random))
        .collect()
}

fn batch(size: usize, random: &mut Random) -> Bytes {
    let (mut records, mut bytes) = (Vec::new(), 0);
    let mut line = String::new();
    while bytes < size {
        line.clear();
        let key = format!("user-{:06}", random.below(100_000));
        event(&mut line, &key, records.len(), random).expect("a string takes all");
        bytes += key.len() + line.len() + OVERHEAD;
        records.push(Record {
            key: Some(key.into()),
            ..kp_record(records.len(), &Bytes::copy_from_slice(line.as_bytes()))
        });
    }
    let mut out = BytesMut::new();
    kp_append(&records, &mut out);
    out.freeze().slice(BatchHeader::LEN..)
}

/// About 300 bytes.
fn event(line: &mut String, user: &str, n: usize, random: &mut Random) -> std::fmt::Result {
    write!(
        line,
        concat!(
            r#"{{"timestamp":"2023-11-14T22:13:{:02}.{:03}Z","level":"{}","service":"{}","#,
            r#""trace_id":"{:016x}{:016x}","#,
        ),
        n / 1000 % 60,
        n % 1000,
        random.one_of(&LEVELS),
        random.one_of(&SERVICES),
        random.next(),
        random.next(),
    )?;
    write!(
        line,
        concat!(
            r#""user_id":"{}","method":"{}","path":"/api/v1/items/{}","status":{},"#,
            r#""duration_ms":{}.{:02},"message":""#,
        ),
        user,
        random.one_of(&METHODS),
        random.below(1_000_000),
        [200, 200, 201, 404, 500][random.below(5) as usize],
        random.below(900),
        random.below(100),
    )?;
    for _ in 0..4 + random.below(8) {
        write!(line, "{} ", random.one_of(&WORDS))?;
    }
    write!(line, r#""}}"#)
}

/// Xorshift: the same batches in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_of(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len() as u64) as usize]
    }
}

//! Any bytes as what is compressed in a batch or in a legacy message: what damage to the compressed
//! bytes alone does not reach.
//!
//! The first bytes choose the format version, the codec and what the header says.

#![no_main]

use std::cell::RefCell;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla_fuzz::walk;
use ottla_protocol::records::{BatchHeader, Compression, Compressor};

thread_local! {
    static COMPRESSORS: RefCell<[Compressor; 5]> =
        RefCell::new(Compression::ALL.map(|codec| Compressor::new(codec, Some(1))));
}

const CODEC: u8 = 0b111;

fuzz_target!(|input: &[u8]| {
    let Some(([magic, attributes, count], records)) = input.split_first_chunk() else {
        return;
    };
    let codec = usize::from(attributes & CODEC) % Compression::ALL.len();
    let packed = packed(codec, records);
    let attributes = (attributes & !CODEC) | Compression::ALL[codec].id();
    let batch = match magic % 3 {
        2 => batch(attributes, *count, &packed),
        magic => message(magic, attributes, *count, &packed),
    };
    walk(Bytes::from(batch));
});

fn packed(codec: usize, records: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let done = COMPRESSORS.with_borrow_mut(|all| all[codec].compress(records, &mut packed));
    done.expect("it packs");
    packed
}

fn batch(attributes: u8, count: u8, records: &[u8]) -> Vec<u8> {
    let header = BatchHeader {
        base_offset: 500,
        length: (BatchHeader::LEN + records.len() - 12) as i32,
        partition_leader_epoch: 1,
        magic: 2,
        crc: 0,
        attributes: attributes.into(),
        last_offset_delta: i32::from(count) - 1,
        base_timestamp: 1_700_000_000_000,
        max_timestamp: 1_700_000_000_000,
        producer_id: 77,
        producer_epoch: 1,
        base_sequence: 0,
        count: count.into(),
    };
    [&header.encode()[..], records].concat()
}

/// A wrapper around a legacy set, or a plain message. The offset is that of the last inside.
fn message(magic: u8, attributes: u8, offset: u8, value: &[u8]) -> Vec<u8> {
    let timestamp = [0; 8];
    let timestamp = if magic == 0 { &[][..] } else { &timestamp };
    let length = (4 + 2 + timestamp.len() + 4 + 4 + value.len()) as i32;
    [
        &i64::from(offset).to_be_bytes()[..],
        &length.to_be_bytes(),
        &[0; 4],
        &[magic, attributes],
        timestamp,
        &(-1_i32).to_be_bytes(),
        &(value.len() as i32).to_be_bytes(),
        value,
    ]
    .concat()
}

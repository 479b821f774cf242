//! Any records through the builder and every codec, read back as they were.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use ottla_protocol::records::{
    BatchBuilder, BatchHeader, Batches, Compression, Compressor, Decompressor, Header, NewRecord,
    ProducerStamp, Record, SealedBatch,
};

#[derive(Debug, Arbitrary)]
struct Input {
    codec: u8,
    level: Option<i32>,
    /// What the buffer held before.
    used: Vec<u8>,
    limit: u16,
    stamp: (i64, i16, i32, bool),
    records: Vec<AnyRecord>,
}

#[derive(Debug, Arbitrary)]
struct AnyRecord {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    /// How often the value is repeated, for lengths that inputs do not reach.
    times: u8,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

fuzz_target!(|input: Input| {
    let values: Vec<_> = input.records.iter().map(AnyRecord::value).collect();
    let headers: Vec<_> = input.records.iter().map(AnyRecord::headers).collect();
    let parts = input.records.iter().zip(&values).zip(&headers);
    let records: Vec<_> = parts
        .map(|((record, value), headers)| NewRecord {
            timestamp: record.timestamp,
            key: record.key.as_deref(),
            value: value.as_deref(),
            headers,
        })
        .collect();
    let (batch, taken) = build(&input, &records);
    let stamped = stamp(batch, input.stamp);
    read_back(&stamped, &records[..taken]);
});

impl AnyRecord {
    fn value(&self) -> Option<Vec<u8>> {
        let times = if self.times < 200 {
            1
        } else {
            usize::from(self.times)
        };
        self.value.as_ref().map(|v| v.repeat(times))
    }

    fn headers(&self) -> Vec<Header<'_>> {
        let all = self.headers.iter();
        all.map(|(key, value)| Header {
            key,
            value: value.as_deref(),
        })
        .collect()
    }
}

/// The batch, and how many of the records it took.
fn build(input: &Input, records: &[NewRecord<'_>]) -> (SealedBatch, usize) {
    let limit = usize::from(input.limit);
    let mut builder = BatchBuilder::new(input.used.clone(), limit);
    let mut taken = 0;
    for record in records {
        let before = builder.size();
        if !builder.append(record) {
            assert!(taken > 0, "the first record always fits");
            break;
        }
        taken += 1;
        assert!(builder.size() - before <= record.max_size());
        assert!(
            taken == 1 || builder.size() <= limit,
            "the limit holds after the first"
        );
    }
    assert_eq!(builder.count() as usize, taken);
    let codec = Compression::ALL[usize::from(input.codec) % Compression::ALL.len()];
    let mut compressor = Compressor::new(codec, input.level);
    let sealed = builder.seal_compressed(&mut compressor, Vec::new());
    (sealed.expect("it packs").0, taken)
}

fn stamp(
    mut batch: SealedBatch,
    (id, epoch, sequence, transactional): (i64, i16, i32, bool),
) -> Bytes {
    batch.stamp(ProducerStamp {
        id,
        epoch,
        sequence,
        transactional,
    });
    let first = Bytes::copy_from_slice(batch.as_ref());
    batch.stamp(ProducerStamp::NONE);
    batch.stamp(ProducerStamp {
        id,
        epoch,
        sequence,
        transactional,
    });
    assert_eq!(batch.as_ref(), first, "a stamp leaves nothing behind");
    let header = BatchHeader::decode(&first).expect("it is whole");
    assert_eq!((header.producer_id, header.base_sequence), (id, sequence));
    assert_eq!(
        (header.producer_epoch, header.is_transactional()),
        (epoch, transactional)
    );
    first
}

fn read_back(batch: &Bytes, records: &[NewRecord<'_>]) {
    let mut batches = Batches::new(batch.clone());
    let raw = batches.next().expect("one batch").expect("it is whole");
    assert!(batches.next().is_none() && !batches.is_truncated());
    let batch = raw.open(&mut Decompressor::default()).expect("it opens");
    assert_eq!(batch.len(), records.len());
    let latest = records.iter().map(|r| r.timestamp).max().unwrap_or(0);
    assert_eq!(batch.header().max_timestamp, latest);
    for (i, (got, sent)) in batch.records().zip(records).enumerate() {
        let got = got.expect("it reads");
        assert_eq!(got.offset, i as i64);
        assert!(same(&got, sent), "{got:?} is not {sent:?}");
    }
}

fn same(got: &Record<'_>, sent: &NewRecord<'_>) -> bool {
    got.timestamp == sent.timestamp
        && (got.key, got.value) == (sent.key, sent.value)
        && got.headers.eq(sent.headers.iter().copied())
}

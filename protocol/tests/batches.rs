//! Record batches that Kafka's own builder wrote, against what Kafka itself reads in them:
//! `testdata/batches.txt`, which `tests/java/GoldenBatches.java` writes and describes.

use std::fmt::Write;

use bytes::Bytes;
use ottla_protocol::records::{
    Batch, BatchBuilder, BatchHeader, Batches, Decompressor, Header, NewRecord, OwnedRecord,
    ProducerStamp, RecordErrorKind,
};

const BATCHES: &str = include_str!("../testdata/batches.txt");

/// One batch of the file.
struct Golden {
    name: &'static str,
    bytes: Bytes,
    /// The header and the records, a line each.
    lines: Vec<&'static str>,
}

fn golden() -> Vec<Golden> {
    let batches = BATCHES.split("batch ").skip(1);
    batches
        .map(|text| {
            let mut lines = text.lines();
            let mut next = || lines.next().expect("a line");
            Golden {
                name: next(),
                bytes: unhex(next()),
                lines: lines.collect(),
            }
        })
        .collect()
}

fn unhex(hex: &str) -> Bytes {
    let digit = |c: &u8| char::from(*c).to_digit(16).expect("a digit") as u8;
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| digit(&pair[0]) << 4 | digit(&pair[1]))
        .collect()
}

fn opened(bytes: &Bytes) -> Batch {
    let mut batches = Batches::new(bytes.clone());
    let batch = batches.next().expect("a batch").expect("a whole batch");
    assert!(batches.next().is_none(), "there is more than one batch");
    batch.open(&mut Decompressor::default()).expect("it opens")
}

/// The header in the words of the file.
fn header_line(header: &BatchHeader) -> String {
    let compression = header.compression().expect("a known compression");
    let horizon = header.delete_horizon();
    let horizon = horizon.map_or_else(|| "none".to_owned(), |time| time.to_string());
    format!(
        "header base-offset {} last-offset {} count {} leader-epoch {} crc {} \
         compression {compression} time {:?} base-timestamp {} max-timestamp {} \
         producer {}/{} base-sequence {} transactional {} control {} delete-horizon {horizon}",
        header.base_offset,
        header.last_offset(),
        header.count,
        header.partition_leader_epoch,
        header.crc,
        header.timestamp_type(),
        header.base_timestamp,
        header.max_timestamp,
        header.producer_id,
        header.producer_epoch,
        header.base_sequence,
        header.is_transactional(),
        header.is_control(),
    )
}

/// A record in the words of the file.
fn record_line(record: &OwnedRecord) -> String {
    let mut line = format!("record {} {}", record.offset, record.timestamp);
    put(&mut line, record.key.as_deref());
    put(&mut line, record.value.as_deref());
    for header in &record.headers {
        put(&mut line, Some(&header.key));
        put(&mut line, header.value.as_deref());
    }
    line
}

fn put(line: &mut String, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else {
        return line.push_str(" null");
    };
    if bytes.len() > 40 {
        let crc = crc32c::crc32c(bytes);
        return write!(line, " {}#{crc:x}", bytes.len()).expect("a string takes it");
    }
    line.push_str(" x");
    for byte in bytes {
        write!(line, "{byte:02x}").expect("a string takes it");
    }
}

#[test]
fn kafkas_batches_are_read_as_kafka_reads_them() {
    for Golden { name, bytes, lines } in golden() {
        let batch = opened(&bytes);
        let mut ours = vec![header_line(batch.header())];
        for record in &batch {
            ours.push(record_line(&record.expect("a whole record").to_owned()));
        }
        for (n, (ours, kafkas)) in ours.iter().zip(&lines).enumerate() {
            assert_eq!(ours, kafkas, "{name}, line {n}");
        }
        assert_eq!(
            ours.len(),
            lines.len(),
            "{name} has another number of records"
        );
    }
}

#[test]
fn one_frame_holds_all_of_kafkas_batches_in_a_row() {
    let frame: Vec<u8> = golden()
        .iter()
        .flat_map(|golden| golden.bytes.to_vec())
        .collect();
    let read: Vec<_> = Batches::new(frame.into())
        .map(|batch| batch.expect("whole"))
        .collect();
    let bytes: Vec<_> = read.iter().map(|batch| batch.bytes().clone()).collect();
    let expected: Vec<_> = golden().into_iter().map(|golden| golden.bytes).collect();
    assert_eq!(bytes, expected);
}

#[test]
fn a_bent_byte_in_kafkas_batches_fails_the_checksum() {
    for Golden { name, bytes, .. } in golden() {
        let mut bent = bytes.to_vec();
        *bent.last_mut().expect("a byte") ^= 1;
        let batch = Batches::new(bent.into())
            .next()
            .expect("one")
            .expect("whole");
        let error = batch.check_crc().expect_err(name);
        assert!(
            matches!(error.kind, RecordErrorKind::BadCrc { .. }),
            "{name}: {error}"
        );
    }
}

/// Compressed bytes depend on the library, so only what is not compressed can be the same.
#[test]
fn we_write_the_very_bytes_that_kafka_writes() {
    let ours = [
        "plain-none",
        "headers-none",
        "noise-none",
        "nulls",
        "idempotent",
        "transactional",
    ];
    for Golden { name, bytes, .. } in golden().into_iter().filter(|g| ours.contains(&g.name)) {
        let batch = opened(&bytes);
        let mut builder = BatchBuilder::new(Vec::new(), 1 << 20);
        for record in &batch {
            let record = record.expect("a whole record");
            let headers: Vec<Header<'_>> = record.headers.collect();
            assert!(builder.append(&NewRecord {
                timestamp: record.timestamp,
                key: record.key,
                value: record.value,
                headers: &headers,
            }));
        }
        let header = batch.header();
        let mut sealed = builder.seal();
        sealed.stamp(ProducerStamp {
            id: header.producer_id,
            epoch: header.producer_epoch,
            sequence: header.base_sequence,
            transactional: header.is_transactional(),
        });
        assert_eq!(sealed.as_ref(), &bytes[..], "{name}");
    }
}

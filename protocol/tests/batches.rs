//! Record batches that Kafka's own builder wrote, against what Kafka itself reads in them:
//! `testdata/batches.txt`, which `tests/java/GoldenBatches.java` writes and describes.

use std::fmt::Write;

use bytes::Bytes;
use ottla_protocol::records::{
    AbortedTransactions, Batch, BatchBuilder, BatchHeader, Batches, Compression, ControlRecordType,
    Decompressor, EndTxnMarker, Header, NewRecord, OwnedRecord, ProducerStamp, RawBatch,
    RecordErrorKind,
};

const BATCHES: &str = include_str!("../testdata/batches.txt");
const BATCHES_AND_SETS: &[&str] = &["batch", "set"];

/// One batch of the file, or set of messages, or log.
struct Golden {
    name: &'static str,
    bytes: Bytes,
    /// What Kafka says of it.
    lines: Vec<&'static str>,
}

/// What the file has of these kinds: `batch`, `set` and `log`.
fn golden(kinds: &[&str]) -> Vec<Golden> {
    let mut lines = BATCHES.lines().peekable();
    let mut found = Vec::new();
    while let Some(title) = lines.next() {
        let (of, name) = title.split_once(' ').expect("a kind and a name");
        let bytes = unhex(lines.next().expect("a line of bytes"));
        let said = |line: &&str| {
            !["batch ", "set ", "log "]
                .iter()
                .any(|t| line.starts_with(t))
        };
        let lines = std::iter::from_fn(|| lines.next_if(said)).collect();
        if kinds.contains(&of) {
            found.push(Golden { name, bytes, lines });
        }
    }
    assert!(!found.is_empty(), "the file has no {kinds:?}");
    found
}

fn unhex(hex: &str) -> Bytes {
    let digit = |c: &u8| char::from(*c).to_digit(16).expect("a digit") as u8;
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| digit(&pair[0]) << 4 | digit(&pair[1]))
        .collect()
}

fn opened(bytes: &Bytes) -> Vec<Batch> {
    let mut decompressor = Decompressor::default();
    let open = |batch: Result<RawBatch, _>| batch?.open(&mut decompressor);
    let batches = Batches::new(bytes.clone()).map(open);
    batches
        .collect::<Result<_, _>>()
        .expect("whole, sound batches")
}

/// The header in the words of the file.
fn header_line(header: &BatchHeader) -> String {
    let compression = header.compression().expect("a known compression");
    if header.is_legacy() {
        return message_line(header, compression);
    }
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

fn message_line(header: &BatchHeader, compression: Compression) -> String {
    let time = match header.magic {
        0 => "NoTimestampType".to_owned(),
        _ => format!("{:?}", header.timestamp_type()),
    };
    format!(
        "message magic {} base-offset {} last-offset {} count {} crc {} \
         compression {compression} time {time} max-timestamp {}",
        header.magic,
        header.base_offset,
        header.last_offset(),
        header.count,
        header.crc,
        header.max_timestamp,
    )
}

/// What a control batch says, in the words of the file.
fn control_line(batch: &Batch) -> Option<String> {
    let control = batch.control_record().expect("it reads")?;
    let word = match control.control_type {
        ControlRecordType::Abort => "ABORT",
        ControlRecordType::Commit => "COMMIT",
        other => panic!("the file has no {other:?}"),
    };
    let marker = EndTxnMarker::parse(&control).expect("an end of a transaction");
    Some(format!("control {word} {}", marker.coordinator_epoch))
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
    for Golden { name, bytes, lines } in golden(BATCHES_AND_SETS) {
        let mut ours = Vec::new();
        for batch in opened(&bytes) {
            ours.push(header_line(batch.header()));
            for record in &batch {
                ours.push(record_line(&record.expect("a whole record").to_owned()));
            }
            ours.extend(control_line(&batch));
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
fn a_reader_of_committed_records_sees_what_kafkas_consumer_sees() {
    for Golden { name, bytes, lines } in golden(&["log"]) {
        let (_, from) = name.split_once(' ').expect("a name and an offset");
        let from: i64 = from.parse().expect("an offset");
        let listed = lines.iter().filter_map(|line| {
            let (producer, first) = line.strip_prefix("aborted ")?.split_once(' ')?;
            Some((producer.parse().ok()?, first.parse().ok()?))
        });
        let mut aborted = AbortedTransactions::new(listed);
        let mut ours = Vec::new();
        let mut next = from;
        for batch in opened(&bytes) {
            next = batch.header().last_offset() + 1;
            if aborted.skips(&batch).expect("its markers read") {
                continue;
            }
            let records = batch.records().map(|r| r.expect("a whole record"));
            let asked_for = records.filter(|r| r.offset >= from);
            ours.extend(asked_for.map(|r| record_line(&r.to_owned())));
        }
        ours.push(format!("next {next}"));
        let kafkas: Vec<_> = lines
            .iter()
            .filter(|l| !l.starts_with("aborted "))
            .collect();
        assert_eq!(ours.iter().collect::<Vec<_>>(), kafkas, "{name}");
    }
}

#[test]
fn one_frame_holds_all_of_kafkas_batches_in_a_row() {
    let all = golden(BATCHES_AND_SETS);
    let frame: Vec<u8> = all.iter().flat_map(|g| g.bytes.to_vec()).collect();
    let header = |line: &&&str| line.starts_with("header ") || line.starts_with("message ");
    let expected = all.iter().flat_map(|g| &g.lines).filter(header).count();
    let read: Vec<_> = Batches::new(frame.clone().into())
        .map(|batch| batch.expect("whole").bytes().clone())
        .collect();
    assert_eq!(read.len(), expected);
    assert_eq!(read.concat(), frame);
}

#[test]
fn a_bent_byte_in_kafkas_batches_fails_the_checksum() {
    for Golden { name, bytes, .. } in golden(BATCHES_AND_SETS) {
        let mut bent = bytes.to_vec();
        *bent.last_mut().expect("a byte") ^= 1;
        let batch = Batches::new(bent.into()).last();
        let batch = batch.expect("one").expect("whole");
        let error = batch.check_crc().expect_err(name);
        assert!(
            matches!(error.kind, RecordErrorKind::BadCrc { .. }),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_tail_cut_off_kafkas_batches_is_a_state_and_no_error() {
    for Golden { name, bytes, .. } in golden(BATCHES_AND_SETS) {
        let whole = Batches::new(bytes.clone()).count();
        for cut in bytes.len().saturating_sub(30)..bytes.len() {
            let mut batches = Batches::new(bytes.slice(..cut));
            let read = batches
                .by_ref()
                .map(|batch| batch.expect("whole").bytes().len());
            let read: Vec<usize> = read.collect();
            let at_an_end = read.iter().sum::<usize>() == cut;
            assert_eq!(batches.is_truncated(), !at_an_end, "{name} cut at {cut}");
            assert!(read.len() < whole, "{name} cut at {cut}");
        }
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
    for Golden { name, bytes, .. } in golden(BATCHES_AND_SETS) {
        if !ours.contains(&name) {
            continue;
        }
        let batch = opened(&bytes).remove(0);
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

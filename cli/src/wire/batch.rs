//! One record batch: its header, what its marker means, its records.

use std::fmt::{self, Display, Write};

use ottla::protocol::records::{
    Batch, BatchHeader, ControlRecordType, Decompressor, EndTxnMarker, RawBatch, Record,
    RecordError, RecordErrorKind, TimestampType,
};

use crate::escape::Escaped;

/// Keys and values are cut to so many bytes.
const CUT: usize = 100;
/// No batch that is meant well holds more.
const MAX_RECORDS: usize = 256 << 20;

/// How much of a batch is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Header,
    Records,
    FullRecords,
}

/// Prints one batch after another.
#[derive(Debug)]
pub(crate) struct Printer {
    shown: Shown,
    decompressor: Decompressor,
}

/// A batch as it is printed, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) text: String,
    pub(crate) damage: Option<RecordError>,
}

impl Printer {
    pub(crate) fn new(shown: Shown) -> Self {
        let decompressor = Decompressor::new(MAX_RECORDS);
        Self {
            shown,
            decompressor,
        }
    }

    /// Prints a batch, also one whose checksum is wrong. Records are read whether they are printed
    /// or not: one may be damaged.
    pub(crate) fn print(&mut self, batch: RawBatch) -> Printed {
        let mut header = *batch.header();
        let crc = batch.check_crc();
        let opened = batch.open_unchecked(&mut self.decompressor);
        if let Ok(batch) = &opened {
            // Of a legacy message only this one knows the offsets.
            header = *batch.header();
        }
        let marker = opened.as_ref().ok().and_then(meaning);
        let mut text = String::new();
        put_header(&mut text, &header, Some(&crc), marker);
        let read = opened.and_then(|batch| self.records(&mut text, &batch));
        let damage = crc.and(read).err();
        Printed { text, damage }
    }

    fn records(&self, text: &mut String, batch: &Batch) -> Result<(), RecordError> {
        batch.control_record()?;
        for record in batch {
            let record = record?;
            match self.shown {
                Shown::Header => {}
                Shown::Records => put_record(text, &record, CUT),
                Shown::FullRecords => put_record(text, &record, usize::MAX),
            }
        }
        Ok(())
    }
}

/// Prints the header of a batch that is not whole.
pub(crate) fn print_header(header: &BatchHeader) -> String {
    let mut text = String::new();
    put_header(&mut text, header, None, None);
    text
}

#[rustfmt::skip]
fn put_header(
    text: &mut String,
    header: &BatchHeader,
    crc: Option<&Result<(), RecordError>>,
    marker: Option<String>,
) {
    let h = header;
    let compression = h.compression().map_or_else(|e| e.kind.to_string(), |c| c.to_string());
    let control = marker.map_or_else(|| h.is_control().to_string(), |m| format!("true, {m}"));
    let horizon = h.delete_horizon().map_or_else(|| "none".to_owned(), |time| time.to_string());
    put_line(text, "base_offset",            &h.base_offset);
    put_line(text, "last_offset",            &h.last_offset());
    put_line(text, "length",                 &h.length);
    put_line(text, "partition_leader_epoch", &h.partition_leader_epoch);
    put_line(text, "magic",                  &h.magic);
    put_line(text, "crc",                    &format_args!("{:08x}{}", h.crc, verdict(crc)));
    put_line(text, "attributes",             &format_args!("{:#06x}", h.attributes));
    put_line(text, "compression",            &compression);
    put_line(text, "timestamp_type",         &timestamp_type(h));
    put_line(text, "transactional",          &h.is_transactional());
    put_line(text, "control",                &control);
    put_line(text, "delete_horizon",         &horizon);
    put_line(text, "base_timestamp",         &h.base_timestamp);
    put_line(text, "max_timestamp",          &h.max_timestamp);
    put_line(text, "producer_id",            &h.producer_id);
    put_line(text, "producer_epoch",         &h.producer_epoch);
    put_line(text, "base_sequence",          &h.base_sequence);
    put_line(text, "count",                  &h.count);
}

fn put_line(text: &mut String, name: &str, value: &dyn Display) {
    writeln!(text, "  {name}: {value}").expect("a string takes everything");
}

/// What the bytes say about their checksum, where all of them are there.
fn verdict(crc: Option<&Result<(), RecordError>>) -> String {
    match crc {
        None => String::new(),
        Some(Ok(())) => " (it holds)".to_owned(),
        Some(Err(error)) => match error.kind {
            RecordErrorKind::BadCrc { computed, .. } => format!(" (the bytes have {computed:08x})"),
            _ => format!(" ({})", error.kind),
        },
    }
}

const fn timestamp_type(header: &BatchHeader) -> &'static str {
    match header.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

/// What a control batch says, where it can be read.
fn meaning(batch: &Batch) -> Option<String> {
    let control = batch.control_record().ok()??;
    let what = match control.control_type {
        ControlRecordType::Abort => "abort",
        ControlRecordType::Commit => "commit",
        ControlRecordType::LeaderChange => "leader change",
        ControlRecordType::SnapshotHeader => "snapshot header",
        ControlRecordType::SnapshotFooter => "snapshot footer",
        ControlRecordType::KraftVersion => "KRaft version",
        ControlRecordType::KraftVoters => "KRaft voters",
        ControlRecordType::Unknown(id) => return Some(format!("of unknown type {id}")),
    };
    Some(match EndTxnMarker::parse(&control) {
        Some(marker) => format!("{what}, coordinator epoch {}", marker.coordinator_epoch),
        None => what.to_owned(),
    })
}

fn put_record(text: &mut String, record: &Record<'_>, cut: usize) {
    let shown = |bytes| Text { bytes, cut };
    let (offset, timestamp) = (record.offset, record.timestamp);
    let (key, value) = (shown(record.key), shown(record.value));
    let mut put = |what: fmt::Arguments<'_>| {
        text.write_fmt(what).expect("a string takes everything");
    };
    put(format_args!(
        "  record at offset {offset}: timestamp {timestamp}, key {key}, value {value}"
    ));
    for (i, header) in record.headers.enumerate() {
        let before = if i == 0 { ", headers" } else { "," };
        let (name, value) = (shown(Some(header.key)), shown(header.value));
        put(format_args!("{before} {name}={value}"));
    }
    put(format_args!("\n"));
}

/// A key or value, cut where it is long.
struct Text<'a> {
    bytes: Option<&'a [u8]>,
    cut: usize,
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bytes) = self.bytes else {
            return f.write_str("null");
        };
        match bytes.get(..self.cut) {
            Some(first) if first.len() < bytes.len() => {
                write!(f, "{}.. ({} bytes)", Escaped(first), bytes.len())
            }
            _ => Escaped(bytes).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use ottla::protocol::records::Batches;

    use super::{super::hex, *};

    /// Batches that Kafka's own builder wrote: name, digits, and what Kafka reads in them.
    const BATCHES: &str = include_str!("../../../protocol/testdata/batches.txt");

    fn each_golden(mut visit: impl FnMut(&str, RawBatch)) {
        for text in BATCHES.split("batch ").skip(1) {
            let (name, rest) = text.split_once('\n').expect("a name");
            let digits = rest.lines().next().expect("digits");
            let bytes = hex::parse(digits.as_bytes()).expect("they are digits");
            let batch = Batches::new(bytes.into()).next().expect("a batch");
            visit(name, batch.expect("it is whole"));
        }
    }

    #[test]
    fn every_batch_that_kafka_writes_is_printed_without_damage() {
        let mut printer = Printer::new(Shown::FullRecords);
        let mut count = 0;
        each_golden(|name, batch| {
            let records = batch.header().count;
            let printed = printer.print(batch);
            assert_eq!(printed.damage, None, "{name}");
            let lines = printed.text.matches("\n  record at offset ").count();
            assert_eq!(i32::try_from(lines), Ok(records), "{name}");
            count += 1;
        });
        assert!(count > 20, "there are {count}");
    }

    #[test]
    fn markers_and_horizons_say_what_they_mean() {
        let mut printer = Printer::new(Shown::Header);
        let mut found = Vec::new();
        each_golden(|name, batch| {
            let text = printer.print(batch).text;
            let telling = |line: &&str| {
                line.starts_with("  control: true") || line.starts_with("  delete_horizon: 1")
            };
            let lines = text.lines().filter(telling);
            found.extend(lines.map(|line| format!("{name}{line}")));
        });
        let expected = [
            "horizon  delete_horizon: 1700086400000",
            "commit  control: true, commit, coordinator epoch 4",
            "abort  control: true, abort, coordinator epoch 4",
        ];
        assert_eq!(found, expected);
    }
}

//! Message sets, format versions 0 and 1: what brokers wrote before 0.11, and old logs still hold.
//! They are read and never written.
//!
//! ```text
//! offset i64 | length i32 | crc u32 | magic i8 | attributes i8 | timestamp i64, from 1 | key | value
//! ```
//!
//! Key and value have an `i32` length in front, -1 for null. A set is messages in a row, and there
//! are no batches: each message is one for itself, here as in Kafka. A compressed message is a
//! wrapper: its value is another set, of plain messages, and its offset that of the last of them.
//! Inside, offsets are those of the log in version 0; in version 1 they count from a place that
//! only the wrapper's offset and the last one inside tell.

use bytes::Bytes;

use super::{
    Batch, BatchHeader, Compression, Decompressor, Headers, RawBatch, Record, RecordError,
    RecordErrorKind, Records,
    header::{LOG_OVERHEAD, take},
};

/// The CRC covers everything from the magic on.
const CRC_FROM: usize = 16;
const ATTRIBUTES_AT: usize = 17;
const TIMESTAMP_AT: usize = 18;
/// What the attributes can say: a compression and, in version 1, the type of the timestamp.
const COMPRESSION: u8 = 0b0111;
const COMPRESSION_AND_TIME: u8 = 0b1111;
/// The time of messages that have none.
const NO_TIMESTAMP: i64 = -1;

/// The size of the shortest message of a version, with neither key nor value.
pub(super) const fn least_size(magic: i8) -> usize {
    LOG_OVERHEAD + if magic == 0 { 14 } else { 22 }
}

/// A message as the batch it is for a reader: [`BatchHeader`] says what the fields mean. `None`
/// when there are too few bytes.
pub(super) fn header(message: &[u8]) -> Option<BatchHeader> {
    let mut rest = message;
    let base_offset = i64::from_be_bytes(take(&mut rest)?);
    let length = i32::from_be_bytes(take(&mut rest)?);
    let crc = u32::from_be_bytes(take(&mut rest)?);
    let [magic, attributes] = take(&mut rest)?;
    let (timestamp, known) = match magic {
        0 => (NO_TIMESTAMP, COMPRESSION),
        _ => (i64::from_be_bytes(take(&mut rest)?), COMPRESSION_AND_TIME),
    };
    Some(BatchHeader {
        base_offset,
        length,
        partition_leader_epoch: -1,
        magic: magic as i8,
        crc,
        attributes: i16::from(attributes & known),
        last_offset_delta: 0,
        base_timestamp: timestamp,
        max_timestamp: timestamp,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        count: -1,
    })
}

/// Checks the CRC of a message; a wrapper's covers what is compressed in it.
pub(super) fn check_crc(raw: &RawBatch) -> Result<(), RecordError> {
    let covered = raw.bytes.get(CRC_FROM..).unwrap_or_default();
    compare(covered, raw.header.crc).map_err(|kind| raw.header.error(kind))
}

/// Checks the CRCs of the messages in a wrapper.
pub(super) fn check_inner_crcs(batch: &Batch) -> Result<(), RecordError> {
    if batch.header.compression()? == Compression::None {
        return Ok(());
    }
    let mut rest = &batch.records[..];
    while !rest.is_empty() {
        Message::take(&mut rest)
            .map_err(RecordErrorKind::BadRecord)
            .and_then(|message| compare(message.covered, message.crc))
            .map_err(|kind| batch.header.error(kind))?;
    }
    Ok(())
}

fn compare(covered: &[u8], stored: u32) -> Result<(), RecordErrorKind> {
    match crc32fast::hash(covered) {
        computed if computed == stored => Ok(()),
        computed => Err(RecordErrorKind::BadCrc { stored, computed }),
    }
}

/// Decompresses a wrapper, once, and walks the messages to learn their offsets; iterating them then
/// finds nothing wrong any more.
pub(super) fn open(raw: RawBatch, decompressor: &mut Decompressor) -> Result<Batch, RecordError> {
    let RawBatch { mut header, bytes } = raw;
    let opened = unwrap(&header, bytes, decompressor).and_then(|records| {
        Extent::of(&records, header.magic)?.place(&mut header)?;
        Ok(records)
    });
    match opened {
        Ok(records) => Ok(Batch { header, records }),
        Err(kind) => Err(header.error(kind)),
    }
}

/// The set in a wrapper. A plain message is a set of one.
fn unwrap(
    header: &BatchHeader,
    message: Bytes,
    decompressor: &mut Decompressor,
) -> Result<Bytes, RecordErrorKind> {
    let codec = header.compression().map_err(|error| error.kind)?;
    if codec == Compression::None {
        return Ok(message);
    }
    let wrapper = Message::take(&mut &message[..]).map_err(RecordErrorKind::BadRecord)?;
    let packed = wrapper.value.ok_or("no value to decompress");
    let packed = message.slice_ref(packed.map_err(RecordErrorKind::BadRecord)?);
    decompressor.decompress_message(codec, header.magic, &packed)
}

/// How many messages a set has, and its first and last offset as they are spelled.
struct Extent {
    count: i32,
    first: i64,
    last: i64,
}

impl Extent {
    /// Walks a set of plain messages. One that is cut short is damaged: its wrapper was whole.
    fn of(mut set: &[u8], magic: i8) -> Result<Self, RecordErrorKind> {
        let (mut count, mut first, mut last) = (0, 0, -1);
        while !set.is_empty() {
            let message = Message::take(&mut set).map_err(RecordErrorKind::BadRecord)?;
            let wrong = match message {
                m if m.magic != magic => "another format version than its wrapper",
                m if m.attributes & COMPRESSION != 0 => "a compression inside a compressed one",
                m if m.offset <= last => "an offset that is not behind the one before",
                m => {
                    first = if count == 0 { m.offset } else { first };
                    last = m.offset;
                    count += 1;
                    continue;
                }
            };
            return Err(RecordErrorKind::BadRecord(wrong));
        }
        Ok(Self { count, first, last })
    }

    /// Writes into the header what only the open set tells. Until here its offset is the last.
    fn place(&self, header: &mut BatchHeader) -> Result<(), RecordErrorKind> {
        if self.count == 0 {
            return Err(RecordErrorKind::BadCount(0));
        }
        let last = header.base_offset;
        let outside = RecordErrorKind::BadRecord("an offset beyond its wrapper's");
        if self.last > last {
            return Err(outside);
        }
        let base = match header.magic {
            0 => self.first,
            _ => last - (self.last - self.first),
        };
        let delta = i32::try_from(last - base).map_err(|_| outside)?;
        header.base_offset = base;
        header.last_offset_delta = delta;
        header.count = self.count;
        Ok(())
    }
}

/// The next message of an open set, and what is behind it and left then: below zero, and up to it.
/// By value, so that the iterator may stay in registers where this is not called.
#[cold]
pub(super) fn next(records: Records<'_>) -> (&[u8], i32, Option<Result<Record<'_>, RecordError>>) {
    let mut rest = records.rest;
    if records.left == 0 {
        return (rest, 0, None);
    }
    match Message::take(&mut rest) {
        Ok(message) => (rest, records.left + 1, Some(Ok(record(&records, &message)))),
        Err(what) => {
            let bad = RecordErrorKind::BadRecord(what);
            (rest, 0, Some(Err(records.header.error(bad))))
        }
    }
}

/// Offsets count from the first, whatever number the first one has in the message.
fn record<'a>(records: &Records<'a>, message: &Message<'a>) -> Record<'a> {
    let first = take(&mut &records.shared[..]).map_or(0, i64::from_be_bytes);
    let delta = message.offset.wrapping_sub(first);
    Record {
        offset: records.header.base_offset.wrapping_add(delta),
        timestamp: records.append_time.unwrap_or(message.timestamp),
        key: message.key,
        value: message.value,
        headers: Headers::default(),
        shared: records.shared,
    }
}

/// One message, borrowed from its set.
struct Message<'a> {
    offset: i64,
    crc: u32,
    /// What the CRC covers.
    covered: &'a [u8],
    magic: i8,
    attributes: u8,
    timestamp: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// Takes one off the front of a set.
    fn take(set: &mut &'a [u8]) -> Result<Self, &'static str> {
        let (offset, mut message) = split(set).ok_or("a length beyond its message set")?;
        let crc = take(&mut message).ok_or("no checksum")?;
        let covered = message;
        let [magic, attributes] = take(&mut message).ok_or("no attributes")?;
        let timestamp = match magic {
            0 => NO_TIMESTAMP,
            1 => i64::from_be_bytes(take(&mut message).ok_or("no timestamp")?),
            _ => return Err("another format version than its wrapper"),
        };
        let key = take_bytes(&mut message).ok_or("a key beyond its end")?;
        let value = take_bytes(&mut message).ok_or("a value beyond its end")?;
        if !message.is_empty() {
            return Err("bytes after its value");
        }
        Ok(Self {
            offset,
            crc: u32::from_be_bytes(crc),
            covered,
            magic: magic as i8,
            attributes,
            timestamp,
            key,
            value,
        })
    }
}

/// The offset of the first message of a set, and what its length counts.
fn split<'a>(set: &mut &'a [u8]) -> Option<(i64, &'a [u8])> {
    let offset = i64::from_be_bytes(take(set)?);
    let length = i32::from_be_bytes(take(set)?);
    let (message, rest) = set.split_at_checked(usize::try_from(length).ok()?)?;
    *set = rest;
    Some((offset, message))
}

/// A byte string with its length in front; `Some(None)` is null.
fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = i32::from_be_bytes(take(bytes)?);
    if length == -1 {
        return Some(None);
    }
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(Some(taken))
}

/// A message as [`RawBatch::placed`] says, which in version 0 has no time to change.
pub(super) fn placed(raw: &RawBatch, offset: i64, append_time: Option<i64>) -> RawBatch {
    let mut header = raw.header;
    let mut bytes = raw.bytes.to_vec();
    header.base_offset = offset;
    put(&mut bytes, 0, offset.to_be_bytes());
    if let Some(time) = append_time.filter(|_| header.magic == 1) {
        header.set_append_time(time);
        header.base_timestamp = time;
        put(&mut bytes, ATTRIBUTES_AT, [header.attributes as u8]);
        put(&mut bytes, TIMESTAMP_AT, time.to_be_bytes());
        header.crc = crc32fast::hash(bytes.get(CRC_FROM..).unwrap_or_default());
        put(&mut bytes, LOG_OVERHEAD, header.crc.to_be_bytes());
    }
    let bytes = bytes.into();
    RawBatch { header, bytes }
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(place) = bytes.get_mut(at..).and_then(|b| b.first_chunk_mut()) {
        *place = value;
    }
}

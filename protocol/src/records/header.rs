//! The 61 bytes in front of every record batch.

use super::{Compression, RecordError, RecordErrorKind};

/// The base offset and the length, which the length does not count.
pub(super) const LOG_OVERHEAD: usize = 12;
/// The whole header.
pub(super) const HEADER_LEN: usize = 61;
/// The CRC covers everything from here on.
pub(super) const CRC_FROM: usize = 21;

const COMPRESSION: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
const DELETE_HORIZON: i16 = 1 << 6;

/// The header of a record batch, format version 2 (`DefaultRecordBatch` in Kafka).
///
/// A message of a legacy set, format versions 0 and 1, is shown as a batch of its own. Then there is
/// no leader epoch, producer or sequence (-1), the CRC is the CRC-32 of zip, both timestamps are
/// the message's (-1 in version 0), and the attributes tell compression and timestamp type alone.
/// Until a message is opened its one offset stands for all, which is the last one where others are
/// compressed in it, and the count is -1, not known; the header of the open batch has them right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// The offset of the first record the batch was written with; it may since be compacted away.
    pub base_offset: i64,
    /// The bytes after this field.
    pub length: i32,
    /// The leader epoch in which the batch was appended; -1 before a broker has it.
    pub partition_leader_epoch: i32,
    /// The format version, 2; 0 and 1 for messages of legacy sets.
    pub magic: i8,
    /// CRC-32C of everything after this field; of legacy messages CRC-32.
    pub crc: u32,
    /// Compression, timestamp type and kind, as bits.
    pub attributes: i16,
    /// The last offset of the batch, from its base; compaction keeps it.
    pub last_offset_delta: i32,
    /// The timestamp that the records count from, in milliseconds; with a delete horizon, that.
    pub base_timestamp: i64,
    /// The greatest timestamp in the batch, or the time of appending.
    pub max_timestamp: i64,
    /// Who wrote it, when idempotent; -1 when not.
    pub producer_id: i64,
    /// The epoch of that producer.
    pub producer_epoch: i16,
    /// The sequence number of the first record.
    pub base_sequence: i32,
    /// How many records are in it.
    pub count: i32,
}

/// What the timestamps of a batch mean (`message.timestamp.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's, one for the whole batch.
    LogAppendTime,
}

impl BatchHeader {
    /// The size of a header in bytes.
    pub const LEN: usize = HEADER_LEN;

    /// Reads a header of format version 2 off the front of `bytes`, whatever version they say;
    /// `None` when they are too few.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest: &[u8] = bytes.get(..HEADER_LEN)?;
        Some(Self {
            base_offset: i64::from_be_bytes(take(&mut rest)?),
            length: i32::from_be_bytes(take(&mut rest)?),
            partition_leader_epoch: i32::from_be_bytes(take(&mut rest)?),
            magic: i8::from_be_bytes(take(&mut rest)?),
            crc: u32::from_be_bytes(take(&mut rest)?),
            attributes: i16::from_be_bytes(take(&mut rest)?),
            last_offset_delta: i32::from_be_bytes(take(&mut rest)?),
            base_timestamp: i64::from_be_bytes(take(&mut rest)?),
            max_timestamp: i64::from_be_bytes(take(&mut rest)?),
            producer_id: i64::from_be_bytes(take(&mut rest)?),
            producer_epoch: i16::from_be_bytes(take(&mut rest)?),
            base_sequence: i32::from_be_bytes(take(&mut rest)?),
            count: i32::from_be_bytes(take(&mut rest)?),
        })
    }

    /// The header as bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        let mut rest = &mut out[..];
        put(&mut rest, self.base_offset.to_be_bytes());
        put(&mut rest, self.length.to_be_bytes());
        put(&mut rest, self.partition_leader_epoch.to_be_bytes());
        put(&mut rest, self.magic.to_be_bytes());
        put(&mut rest, self.crc.to_be_bytes());
        put(&mut rest, self.attributes.to_be_bytes());
        put(&mut rest, self.last_offset_delta.to_be_bytes());
        put(&mut rest, self.base_timestamp.to_be_bytes());
        put(&mut rest, self.max_timestamp.to_be_bytes());
        put(&mut rest, self.producer_id.to_be_bytes());
        put(&mut rest, self.producer_epoch.to_be_bytes());
        put(&mut rest, self.base_sequence.to_be_bytes());
        put(&mut rest, self.count.to_be_bytes());
        out
    }

    /// The last offset of the batch. Also where compaction removed the record with it, the next
    /// batch starts behind it (rule 63).
    #[inline]
    #[must_use]
    pub const fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(self.last_offset_delta as i64)
    }

    /// How the records are compressed.
    ///
    /// # Errors
    /// When the attributes name a compression that does not exist, or in a legacy message zstd,
    /// which is younger.
    pub fn compression(&self) -> Result<Compression, RecordError> {
        let id = (self.attributes & COMPRESSION) as u8;
        let unknown = || self.error(RecordErrorKind::UnknownCompression(id));
        let known = |codec: &Compression| !(self.is_legacy() && *codec == Compression::Zstd);
        Compression::from_id(id).filter(known).ok_or_else(unknown)
    }

    /// Whether this is a message of a legacy set and not a batch.
    #[inline]
    #[must_use]
    pub const fn is_legacy(&self) -> bool {
        matches!(self.magic, 0 | 1)
    }

    /// What the timestamps mean.
    #[inline]
    #[must_use]
    pub const fn timestamp_type(&self) -> TimestampType {
        if self.attributes & LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch is part of a transaction.
    #[inline]
    #[must_use]
    pub const fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether the batch holds control records, such as transaction markers, and no data.
    #[inline]
    #[must_use]
    pub const fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// When a compacted batch may lose its tombstones, in milliseconds (KIP-534).
    #[must_use]
    pub const fn delete_horizon(&self) -> Option<i64> {
        if self.attributes & DELETE_HORIZON == 0 {
            None
        } else {
            Some(self.base_timestamp)
        }
    }

    pub(super) fn set_compression(&mut self, compression: Compression) {
        self.attributes = self.attributes & !COMPRESSION | i16::from(compression.id());
    }

    pub(super) fn set_transactional(&mut self, transactional: bool) {
        self.attributes &= !TRANSACTIONAL;
        self.attributes |= if transactional { TRANSACTIONAL } else { 0 };
    }

    pub(super) const fn set_append_time(&mut self, time: i64) {
        self.attributes |= LOG_APPEND_TIME;
        self.max_timestamp = time;
    }

    #[cold]
    pub(super) fn error(&self, kind: RecordErrorKind) -> RecordError {
        RecordError {
            kind,
            base_offset: self.base_offset,
        }
    }
}

#[inline]
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

#[inline]
fn put<const N: usize>(rest: &mut &mut [u8], bytes: [u8; N]) {
    let (place, left) = std::mem::take(rest)
        .split_first_chunk_mut()
        .expect("the fields are as long as the header");
    *place = bytes;
    *rest = left;
}

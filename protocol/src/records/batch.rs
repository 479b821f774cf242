//! One record batch, from raw bytes to records.

use bytes::Bytes;

use super::{
    BatchHeader, Compression, Decompressor, Headers, Record, RecordError, RecordErrorKind,
    TimestampType,
    header::{CRC_FROM, HEADER_LEN},
    legacy, varint,
};

/// The least a record takes: six varints and the attributes.
const MIN_RECORD: usize = 7;

/// A batch whose header was read and whose records were not looked at.
#[derive(Debug, Clone)]
pub struct RawBatch {
    pub(super) header: BatchHeader,
    pub(super) bytes: Bytes,
}

impl RawBatch {
    /// The header. Until [`open`](Self::open) nothing vouches for it.
    #[must_use]
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch as it came.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Checks the CRC without opening the batch.
    ///
    /// # Errors
    /// [`RecordErrorKind::BadCrc`].
    pub fn check_crc(&self) -> Result<(), RecordError> {
        if self.header.is_legacy() {
            return legacy::check_crc(self);
        }
        let computed = crc32c::crc32c(self.bytes.get(CRC_FROM..).unwrap_or_default());
        let stored = self.header.crc;
        if computed == stored {
            return Ok(());
        }
        Err(self
            .header
            .error(RecordErrorKind::BadCrc { stored, computed }))
    }

    /// The batch as a broker stores it: at its place in the log, with the epoch of the leader that
    /// appended it and, where one is given, the time of appending instead of the producer's
    /// (`message.timestamp.type`). Only the latter changes the CRC, which then covers whatever the
    /// bytes are. The bytes are copied.
    ///
    /// A legacy message is placed by the one offset it has, a compressed one by its last; there is
    /// no leader epoch in it, and in format version 0 no time.
    #[must_use]
    pub fn placed(&self, base_offset: i64, leader_epoch: i32, append_time: Option<i64>) -> Self {
        if self.header.is_legacy() {
            return legacy::placed(self, base_offset, append_time);
        }
        let mut header = BatchHeader {
            base_offset,
            partition_leader_epoch: leader_epoch,
            ..self.header
        };
        if let Some(time) = append_time {
            header.set_append_time(time);
        }
        let records = self.bytes.get(HEADER_LEN..).unwrap_or_default();
        let mut bytes = [&header.encode()[..], records].concat();
        if append_time.is_some() {
            header.crc = crc32c::crc32c(bytes.get(CRC_FROM..).unwrap_or_default());
            bytes.splice(..HEADER_LEN, header.encode());
        }
        let bytes = bytes.into();
        Self { header, bytes }
    }

    /// Checks the CRC and decompresses the records, once.
    ///
    /// # Errors
    /// When the checksum is wrong, the records decompress badly or past the decompressor's limit,
    /// or the header claims more records than the bytes can hold (rule 12).
    pub fn open(self, decompressor: &mut Decompressor) -> Result<Batch, RecordError> {
        self.check_crc()?;
        let batch = self.open_unchecked(decompressor)?;
        if batch.header.is_legacy() {
            legacy::check_inner_crcs(&batch)?;
        }
        Ok(batch)
    }

    /// [`open`](Self::open) without the CRC check (`check.crcs=false`).
    ///
    /// # Errors
    /// As [`open`](Self::open), the checksum aside.
    pub fn open_unchecked(self, decompressor: &mut Decompressor) -> Result<Batch, RecordError> {
        if self.header.is_legacy() {
            return legacy::open(self, decompressor);
        }
        let Self { header, bytes } = self;
        let packed = bytes.slice(HEADER_LEN.min(bytes.len())..);
        let records = match header.compression()? {
            Compression::None => packed,
            codec => decompressor
                .decompress(codec, &packed)
                .map_err(|kind| header.error(kind))?,
        };
        let fits = usize::try_from(header.count).is_ok_and(|n| n <= records.len() / MIN_RECORD);
        if !fits || header.last_offset_delta < 0 {
            return Err(header.error(RecordErrorKind::BadCount(header.count)));
        }
        Ok(Batch { header, records })
    }
}

/// A batch that is whole: its checksum holds and its records are decompressed.
#[derive(Debug, Clone)]
pub struct Batch {
    pub(super) header: BatchHeader,
    pub(super) records: Bytes,
}

impl Batch {
    /// The header.
    #[must_use]
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// How many records it claims to hold.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.header.count as usize
    }

    /// Whether compaction left nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.header.count == 0
    }

    /// The decompressed records in bytes: what the batch costs in memory.
    #[must_use]
    pub fn size(&self) -> usize {
        self.records.len()
    }

    /// The records in order, borrowed from the batch.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        Records {
            rest: &self.records,
            left: if self.header.is_legacy() {
                -self.header.count
            } else {
                self.header.count
            },
            append_time: match self.header.timestamp_type() {
                TimestampType::CreateTime => None,
                TimestampType::LogAppendTime => Some(self.header.max_timestamp),
            },
            header: &self.header,
            shared: &self.records,
        }
    }

    /// The records from the `index`th on, for a reader that was interrupted in the middle. Those before
    /// it are walked over.
    #[must_use]
    pub fn records_from(&self, index: usize) -> Records<'_> {
        let mut records = self.records();
        for _ in 0..index {
            records.next();
        }
        records
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = Result<Record<'a>, RecordError>;
    type IntoIter = Records<'a>;

    fn into_iter(self) -> Records<'a> {
        self.records()
    }
}

/// The records of a [`Batch`]. After an error there are no more.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    pub(super) rest: &'a [u8],
    /// How many there still are; of the messages of a legacy set, below zero.
    pub(super) left: i32,
    pub(super) append_time: Option<i64>,
    pub(super) header: &'a BatchHeader,
    pub(super) shared: &'a Bytes,
}

impl<'a> Records<'a> {
    /// How many bytes of the batch were read so far: where [`Self::resume`] goes on.
    #[must_use]
    pub fn position(&self) -> (usize, i32) {
        (self.shared.len() - self.rest.len(), self.left)
    }

    /// The records of `batch` from a [`position`](Self::position) of it on.
    #[must_use]
    pub fn resume(batch: &'a Batch, (at, left): (usize, i32)) -> Self {
        let rest = batch.records.get(at..).unwrap_or_default();
        Self {
            rest,
            left,
            ..batch.records()
        }
    }

    #[inline]
    fn record(&mut self) -> Result<Record<'a>, &'static str> {
        let record = take_bytes(&mut self.rest).flatten();
        let record = record.ok_or("a length beyond its batch")?;
        let (_attributes, mut body) = record.split_first().ok_or("no attributes")?;
        let timestamp = varint::take(&mut body).ok_or("no timestamp")?;
        let offset = varint::take(&mut body).ok_or("no offset")?;
        let key = take_bytes(&mut body).ok_or("a key beyond its end")?;
        let value = take_bytes(&mut body).ok_or("a value beyond its end")?;
        let headers = Headers::parse(body).ok_or("headers that do not fill it")?;
        Ok(Record {
            offset: self.header.base_offset.wrapping_add(offset),
            timestamp: match self.append_time {
                None => self.header.base_timestamp.wrapping_add(timestamp),
                Some(time) => time,
            },
            key,
            value,
            headers,
            shared: self.shared,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            let (rest, left, next) = legacy::next(self.clone());
            self.rest = rest;
            self.left = left;
            return next;
        }
        self.left -= 1;
        let result = match self.record() {
            Ok(_) if self.left == 0 && !self.rest.is_empty() => Err("bytes after the last one"),
            result => result,
        };
        Some(result.map_err(|what| {
            self.left = 0;
            self.header.error(RecordErrorKind::BadRecord(what))
        }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left.unsigned_abs() as usize))
    }
}

/// A byte string with its length in front; `Some(None)` is null.
#[inline(always)]
pub(super) fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let n = varint::take_zigzag(bytes)?;
    if n & 1 == 1 {
        return (n == varint::MINUS_ONE).then_some(None);
    }
    let (taken, rest) = bytes.split_at_checked(usize::try_from(n >> 1).ok()?)?;
    *bytes = rest;
    Some(Some(taken))
}

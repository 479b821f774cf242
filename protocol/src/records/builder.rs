//! Builds a batch by appending: each record is serialised once, into the buffer that is sent.

use super::{
    BatchHeader, CompressError, Compression, Compressor, Header,
    header::{CRC_FROM, HEADER_LEN, LOG_OVERHEAD},
    varint::{self, zigzag},
};

/// The first buffer of a batch that was given none.
const FIRST_BUFFER: usize = 4096;
/// The most a batch may take, whatever limit is set: what a Java client could hold.
pub const MAX_BATCH: usize = i32::MAX as usize;

/// A record to be written, borrowed from the caller.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewRecord<'a> {
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// The key; `None` is null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is null.
    pub value: Option<&'a [u8]>,
    /// The headers, in order.
    pub headers: &'a [Header<'a>],
}

impl NewRecord<'_> {
    /// The most this record can take in a batch, batch header aside.
    #[must_use]
    pub fn max_size(&self) -> usize {
        // Length, attributes, timestamp, offset, two lengths and the number of headers.
        const OVERHEAD: usize = 1 + varint::MAX_LEN + 5 * 5;
        let headers = self.headers.iter().map(|h| 10 + h.key.len() + len(h.value));
        OVERHEAD + len(self.key) + len(self.value) + headers.sum::<usize>()
    }

    /// The size of a batch of this record alone, header included, before compression: what
    /// `max.request.size` has to allow, beside the request around it.
    #[must_use]
    pub fn batch_size(&self) -> usize {
        HEADER_LEN + Layout::of(self, self.timestamp, 0).total
    }
}

/// A batch that is being filled. The buffer is reused where the caller keeps a pool: see
/// [`SealedBatch::into_buffer`].
#[derive(Debug)]
pub struct BatchBuilder {
    /// Filled up to `at`; what is behind it is left from an earlier use of the buffer.
    buf: Vec<u8>,
    at: usize,
    /// How far the buffer may be filled now: its length, or the limit where that is less.
    room: usize,
    limit: usize,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchBuilder {
    /// A batch of up to `limit` bytes before compression (`batch.size`), header included, and never
    /// more than [`MAX_BATCH`], in `buffer`, which grows up to there as needed. What is in the
    /// buffer is overwritten, so one that comes back from a batch costs nothing to use again.
    #[must_use]
    pub fn new(mut buffer: Vec<u8>, limit: usize) -> Self {
        let limit = limit.min(MAX_BATCH);
        if buffer.len() < FIRST_BUFFER {
            buffer.resize(FIRST_BUFFER, 0);
        }
        Self {
            room: buffer.len().min(limit),
            buf: buffer,
            at: HEADER_LEN,
            limit,
            count: 0,
            base_timestamp: 0,
            max_timestamp: 0,
        }
    }

    /// How many records are in it.
    #[inline]
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count as u32
    }

    /// Whether nothing was appended.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Its bytes so far, header included, before compression.
    #[inline]
    #[must_use]
    pub const fn size(&self) -> usize {
        self.at
    }

    /// The most it may take; see [`new`](Self::new).
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Allows it to grow further, when there is memory for it.
    pub const fn raise_limit(&mut self, limit: usize) {
        if limit > self.limit {
            self.limit = if limit < MAX_BATCH { limit } else { MAX_BATCH };
        }
    }

    /// Goes on in another buffer, with what was appended so far, and gives the old one back.
    #[must_use]
    pub fn move_to(&mut self, mut buffer: Vec<u8>) -> Vec<u8> {
        let filled = self.buf.get(..self.at).unwrap_or_default();
        if buffer.len() < filled.len() {
            buffer.resize(filled.len(), 0);
        }
        if let Some(place) = buffer.get_mut(..filled.len()) {
            place.copy_from_slice(filled);
        }
        self.room = buffer.len().min(self.limit);
        std::mem::replace(&mut self.buf, buffer)
    }

    /// What [`size`](Self::size) becomes by this record, to the byte. Compression makes it less, or
    /// [leaves it](Self::seal_compressed), never more.
    #[must_use]
    pub fn size_after(&self, record: &NewRecord<'_>) -> usize {
        let base_timestamp = match self.count {
            0 => record.timestamp,
            _ => self.base_timestamp,
        };
        self.at + Layout::of(record, base_timestamp, self.count).total
    }

    /// Whether [`append`](Self::append) takes this record.
    #[must_use]
    pub fn would_fit(&self, record: &NewRecord<'_>) -> bool {
        self.allows(self.size_after(record))
    }

    /// Whether it may grow to this size by another record. The first one fits above the limit.
    const fn allows(&self, size: usize) -> bool {
        size <= self.limit || self.count == 0 && size <= MAX_BATCH
    }

    /// Appends a record; false when it does not fit any more. The first record always fits, unless
    /// no batch could hold it.
    #[inline]
    pub fn append(&mut self, record: &NewRecord<'_>) -> bool {
        if self.count == 0 {
            self.base_timestamp = record.timestamp;
            self.max_timestamp = record.timestamp;
        }
        if !self.write(record) && !self.make_room_and_write(record) {
            return false;
        }
        self.count += 1;
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        true
    }

    /// Writes the record behind the others; false when there is too little room.
    #[inline(always)]
    fn write(&mut self, record: &NewRecord<'_>) -> bool {
        let layout = Layout::of(record, self.base_timestamp, self.count);
        let end = self.at + layout.total;
        if end > self.room {
            return false;
        }
        let Some(place) = self.buf.get_mut(self.at..end) else {
            return false;
        };
        let written = layout.write(record, place);
        debug_assert_eq!(
            written,
            Some(layout.total),
            "the layout says how long a record is"
        );
        self.at = end;
        true
    }

    /// Grows the buffer for a record that it has no room for, up to the limit; past it only for the
    /// first record.
    #[cold]
    fn make_room_and_write(&mut self, record: &NewRecord<'_>) -> bool {
        let needed = self.at + Layout::of(record, self.base_timestamp, self.count).total;
        if !self.allows(needed) {
            return false;
        }
        self.room = needed.max((2 * self.room).min(self.limit));
        if self.room > self.buf.len() {
            self.buf.resize(self.room, 0);
        }
        self.write(record)
    }

    /// Closes the batch, uncompressed.
    #[must_use]
    pub fn seal(self) -> SealedBatch {
        let header = self.header(self.at);
        SealedBatch {
            header,
            len: self.at,
            buf: self.buf,
        }
    }

    /// Closes the batch, its records compressed into `out`. The buffer that is free again comes
    /// back beside it. A batch that does not get smaller stays uncompressed.
    ///
    /// # Errors
    /// When the compressor fails, which it does for no input.
    pub fn seal_compressed(
        self,
        compressor: &mut Compressor,
        mut out: Vec<u8>,
    ) -> Result<(SealedBatch, Vec<u8>), CompressError> {
        if compressor.compression() == Compression::None {
            return Ok((self.seal(), out));
        }
        out.clear();
        out.resize(HEADER_LEN, 0);
        compressor.compress(
            self.buf.get(HEADER_LEN..self.at).unwrap_or_default(),
            &mut out,
        )?;
        if out.len() >= self.at {
            return Ok((self.seal(), out));
        }
        let mut header = self.header(out.len());
        header.set_compression(compressor.compression());
        Ok((
            SealedBatch {
                header,
                len: out.len(),
                buf: out,
            },
            self.buf,
        ))
    }

    fn header(&self, len: usize) -> BatchHeader {
        BatchHeader {
            base_offset: 0,
            length: (len - LOG_OVERHEAD) as i32,
            partition_leader_epoch: -1,
            magic: 2,
            crc: 0,
            attributes: 0,
            last_offset_delta: (self.count - 1).max(0),
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            count: self.count,
        }
    }
}

/// The varints of a record and how long it gets, computed before a byte is written.
struct Layout {
    total: usize,
    body: u64,
    timestamp: u64,
    offset: u64,
}

impl Layout {
    #[inline(always)]
    fn of(record: &NewRecord<'_>, base_timestamp: i64, index: i32) -> Self {
        let timestamp = zigzag(record.timestamp.wrapping_sub(base_timestamp));
        let offset = zigzag(i64::from(index));
        let headers = if record.headers.is_empty() {
            1
        } else {
            headers_len(record.headers)
        };
        let body = 1
            + varint::len(timestamp)
            + varint::len(offset)
            + varint::len(prefix(record.key))
            + len(record.key)
            + varint::len(prefix(record.value))
            + len(record.value)
            + headers;
        let prefix = zigzag(body as i64);
        Self {
            total: varint::len(prefix) + body,
            body: prefix,
            timestamp,
            offset,
        }
    }

    #[inline(always)]
    fn write(&self, record: &NewRecord<'_>, to: &mut [u8]) -> Option<usize> {
        let mut at = varint::put(to, 0, self.body)?;
        *to.get_mut(at)? = 0;
        at = varint::put(to, at + 1, self.timestamp)?;
        at = varint::put(to, at, self.offset)?;
        at = put_bytes(to, at, record.key)?;
        at = put_bytes(to, at, record.value)?;
        if record.headers.is_empty() {
            *to.get_mut(at)? = 0;
            return Some(at + 1);
        }
        put_headers(to, at, record.headers)
    }
}

fn headers_len(headers: &[Header<'_>]) -> usize {
    let one = |h: &Header<'_>| {
        let (key, value) = (Some(h.key), h.value);
        varint::len(prefix(key)) + len(key) + varint::len(prefix(value)) + len(value)
    };
    varint::len(zigzag(headers.len() as i64)) + headers.iter().map(one).sum::<usize>()
}

fn put_headers(to: &mut [u8], at: usize, headers: &[Header<'_>]) -> Option<usize> {
    let mut at = varint::put(to, at, zigzag(headers.len() as i64))?;
    for header in headers {
        at = put_bytes(to, at, Some(header.key))?;
        at = put_bytes(to, at, header.value)?;
    }
    Some(at)
}

#[inline(always)]
fn put_bytes(to: &mut [u8], at: usize, bytes: Option<&[u8]>) -> Option<usize> {
    let at = varint::put(to, at, prefix(bytes))?;
    let Some(bytes) = bytes else { return Some(at) };
    to.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
    Some(at + bytes.len())
}

/// The length as it stands in front, -1 for null.
#[inline(always)]
fn prefix(bytes: Option<&[u8]>) -> u64 {
    zigzag(bytes.map_or(-1, |b| b.len() as i64))
}

#[inline(always)]
fn len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(0, <[u8]>::len)
}

/// Who sends a batch, written into it when it is sent first (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerStamp {
    /// The producer id; -1 for none.
    pub id: i64,
    /// Its epoch; -1 for none.
    pub epoch: i16,
    /// The sequence number of the batch's first record; -1 for none.
    pub sequence: i32,
    /// Whether the batch is part of a transaction.
    pub transactional: bool,
}

impl ProducerStamp {
    /// Of a producer that is not idempotent.
    pub const NONE: Self = Self {
        id: -1,
        epoch: -1,
        sequence: -1,
        transactional: false,
    };
}

/// A closed batch, which [`stamp`](Self::stamp) makes ready to send.
#[derive(Debug)]
pub struct SealedBatch {
    header: BatchHeader,
    buf: Vec<u8>,
    len: usize,
}

impl SealedBatch {
    /// The header, as complete as it is so far.
    #[must_use]
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Its size in bytes on the wire.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.len
    }

    /// A copy of a batch that was sealed before, to be stamped again while the original may still be
    /// on its way; `None` when it is no whole batch.
    #[must_use]
    pub fn copy_of(batch: &[u8], mut buffer: Vec<u8>) -> Option<Self> {
        let header = BatchHeader::decode(batch)?;
        buffer.clear();
        buffer.extend_from_slice(batch);
        Some(Self {
            header,
            len: batch.len(),
            buf: buffer,
        })
    }

    /// Writes the header and the CRC. May be done again, with another stamp.
    pub fn stamp(&mut self, producer: ProducerStamp) {
        self.header.producer_id = producer.id;
        self.header.producer_epoch = producer.epoch;
        self.header.base_sequence = producer.sequence;
        self.header.set_transactional(producer.transactional);
        let len = self.len;
        let Some(batch) = self.buf.get_mut(..len) else {
            return;
        };
        put_header(batch, &self.header);
        self.header.crc = crc32c::crc32c(batch.get(CRC_FROM..).unwrap_or_default());
        put_header(batch, &self.header);
    }

    /// The buffer with the batch at its front, [`size`](Self::size) bytes of it.
    #[must_use]
    pub fn into_buffer(self) -> Vec<u8> {
        self.buf
    }
}

impl AsRef<[u8]> for SealedBatch {
    fn as_ref(&self) -> &[u8] {
        self.buf.get(..self.len).unwrap_or_default()
    }
}

fn put_header(batch: &mut [u8], header: &BatchHeader) {
    if let Some(place) = batch.first_chunk_mut() {
        *place = header.encode();
    }
}

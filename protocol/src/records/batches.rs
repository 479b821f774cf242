//! Walks the batches of a fetched frame.

use bytes::Bytes;

use super::{
    BatchHeader, RawBatch, RecordError, RecordErrorKind,
    header::{HEADER_LEN, LOG_OVERHEAD},
    legacy,
};

/// The batches of a fetched frame, in order, each a slice of it. Only headers are read. The format
/// may change from one to the next, and each message of a legacy set is a batch.
#[derive(Debug, Clone)]
pub struct Batches {
    rest: Bytes,
    truncated: bool,
}

impl Batches {
    /// Walks the `records` of one partition of a fetch response.
    #[must_use]
    pub const fn new(records: Bytes) -> Self {
        Self {
            rest: records,
            truncated: false,
        }
    }

    /// Whether the frame ended in the middle of a batch, which is how brokers keep a byte limit.
    /// Known once the iterator is through.
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Ends the walk with an error: what follows a bad length cannot be found.
    fn fail(&mut self, base_offset: i64, kind: RecordErrorKind) -> RecordError {
        self.rest = Bytes::new();
        RecordError { kind, base_offset }
    }
}

impl Iterator for Batches {
    type Item = Result<RawBatch, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((base_offset, length, magic)) = peek(&self.rest) else {
            self.truncated = true;
            self.rest = Bytes::new();
            return None;
        };
        let Some(size) = size(length, magic) else {
            return Some(Err(
                self.fail(base_offset, RecordErrorKind::BadLength(length))
            ));
        };
        if self.rest.len() < size {
            self.truncated = true;
            self.rest = Bytes::new();
            return None;
        }
        let decode = match magic {
            2 => BatchHeader::decode,
            0 | 1 => legacy::header,
            _ => return Some(Err(self.fail(base_offset, RecordErrorKind::BadMagic(magic)))),
        };
        let bytes = self.rest.split_to(size);
        let header = decode(&bytes)?;
        Some(Ok(RawBatch { header, bytes }))
    }
}

/// What stands at the same place in every record format: base offset, length and magic.
fn peek(bytes: &[u8]) -> Option<(i64, i32, i8)> {
    let (base_offset, rest) = bytes.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (magic, _) = rest.get(4..)?.split_first_chunk()?;
    Some((
        i64::from_be_bytes(*base_offset),
        i32::from_be_bytes(*length),
        i8::from_be_bytes(*magic),
    ))
}

/// The whole size of a batch of this length; `None` when none of its format is so short.
fn size(length: i32, magic: i8) -> Option<usize> {
    let size = usize::try_from(length).ok()?.checked_add(LOG_OVERHEAD)?;
    let least = match magic {
        0 | 1 => legacy::least_size(magic),
        _ => HEADER_LEN,
    };
    (size >= least).then_some(size)
}

//! What a consumer hands out: batches that share the fetched frame, or single records.

use std::sync::Arc;

use bytes::Bytes;
use ottla_protocol::records::{Batch, BatchHeader, OwnedHeader, Record, RecordError, Records};

use crate::error::{Error, ErrorKind, Result};

/// A record batch of one partition, opened and checked; its records are read lazily and borrow from
/// it. Cheap to clone and to send to another thread.
#[derive(Debug, Clone)]
pub struct RecordBatch {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) batch: Batch,
    /// Records before this offset were not asked for: a broker sends whole batches.
    pub(super) from: i64,
    pub(super) high_watermark: i64,
}

impl RecordBatch {
    /// The topic.
    #[must_use]
    pub const fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// The partition.
    #[must_use]
    pub const fn partition(&self) -> i32 {
        self.partition
    }

    /// Its bytes, as it was opened.
    pub(super) fn size(&self) -> usize {
        self.batch.size()
    }

    /// The batch's header: offsets, timestamps, producer.
    #[must_use]
    pub const fn header(&self) -> &BatchHeader {
        self.batch.header()
    }

    /// The offset after the last record of the partition that consumers may see, as of this fetch.
    #[must_use]
    pub const fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// The offset that reading goes on at behind this batch.
    #[must_use]
    pub const fn next_offset(&self) -> i64 {
        self.batch.header().last_offset().wrapping_add(1)
    }

    /// The records, in order of offset, without those before the position that was asked for.
    #[must_use]
    pub fn records(&self) -> BatchRecords<'_> {
        BatchRecords {
            records: self.batch.records(),
            batch: self,
        }
    }

    /// The same batch, without the records before this offset: the application has had them.
    pub(super) fn starting_at(mut self, offset: Option<i64>) -> Self {
        self.from = self.from.max(offset.unwrap_or(self.from));
        self
    }

    /// The records from a [`BatchRecords::position`] on.
    pub(super) fn resume(&self, at: (usize, i32)) -> BatchRecords<'_> {
        BatchRecords {
            records: Records::resume(&self.batch, at),
            batch: self,
        }
    }

    #[cold]
    fn damaged(&self, error: RecordError) -> Error {
        let doing = format!("reading {}-{}", self.topic, self.partition);
        Error::new(ErrorKind::Records(error), doing).about(&self.topic, self.partition)
    }
}

impl<'a> IntoIterator for &'a RecordBatch {
    type Item = Result<Record<'a>>;
    type IntoIter = BatchRecords<'a>;

    fn into_iter(self) -> BatchRecords<'a> {
        self.records()
    }
}

/// The records of a [`RecordBatch`]. After an error there are no more.
#[derive(Debug, Clone)]
pub struct BatchRecords<'a> {
    records: Records<'a>,
    batch: &'a RecordBatch,
}

impl BatchRecords<'_> {
    pub(super) fn position(&self) -> (usize, i32) {
        self.records.position()
    }
}

impl<'a> Iterator for BatchRecords<'a> {
    type Item = Result<Record<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.records.next()? {
                Ok(record) if record.offset < self.batch.from => {}
                Ok(record) => return Some(Ok(record)),
                Err(error) => return Some(Err(self.batch.damaged(error))),
            }
        }
    }
}

/// A record that stands by itself, and where it came from. Key, value and headers share the buffer
/// of its batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// The key; `None` is null.
    pub key: Option<Bytes>,
    /// The value; `None` is null.
    pub value: Option<Bytes>,
    /// The headers, in order.
    pub headers: Vec<OwnedHeader>,
}

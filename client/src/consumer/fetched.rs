//! What a consumer hands out: batches that share the fetched frame, or single records.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use ottla_protocol::records::{
    Batch, BatchHeader, OwnedHeader, Record, RecordError, Records, TimestampType,
};

use crate::{
    error::{Error, ErrorKind, Result},
    time,
};

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

    /// Whether timestamps are the producer's or the broker's.
    #[must_use]
    pub const fn timestamp_type(&self) -> TimestampType {
        self.batch.header().timestamp_type()
    }

    /// The epoch of the leader that wrote it; `None` in batches of the formats before Kafka 0.11.
    #[must_use]
    pub fn leader_epoch(&self) -> Option<i32> {
        let epoch = self.batch.header().partition_leader_epoch;
        Some(epoch).filter(|epoch| *epoch >= 0)
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
#[non_exhaustive]
pub struct ConsumerRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// Milliseconds since 1970; -1 where the record has none, as in the oldest format.
    pub timestamp: i64,
    /// Whether the timestamp is the producer's or the broker's.
    pub timestamp_type: TimestampType,
    /// The epoch of the leader that wrote it; `None` in the formats before Kafka 0.11.
    pub leader_epoch: Option<i32>,
    /// The key; `None` is null.
    pub key: Option<Bytes>,
    /// The value; `None` is null.
    pub value: Option<Bytes>,
    /// The headers, in order.
    pub headers: Vec<OwnedHeader>,
}

impl ConsumerRecord {
    /// The record of a batch, by itself.
    pub(super) fn new(batch: &RecordBatch, record: &Record<'_>) -> Self {
        let owned = record.to_owned();
        Self {
            topic: batch.topic.clone(),
            partition: batch.partition,
            offset: owned.offset,
            timestamp: owned.timestamp,
            timestamp_type: batch.timestamp_type(),
            leader_epoch: batch.leader_epoch(),
            key: owned.key,
            value: owned.value,
            headers: owned.headers,
        }
    }

    /// The timestamp as a time; `None` where the record has none, or one before 1970.
    #[must_use]
    pub fn time(&self) -> Option<SystemTime> {
        time::system_time(self.timestamp)
    }

    /// The last value of a header, which is the one that counts where names repeat; `Some(None)` is null.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Option<&Bytes>> {
        let mut named = self.headers.iter().rev();
        let header = named.find(|header| header.key == name.as_bytes())?;
        Some(header.value.as_ref())
    }
}

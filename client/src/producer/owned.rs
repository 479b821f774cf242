//! A record that stands by itself: to keep, to change, to send from another task.

use std::sync::Arc;

use bytes::Bytes;
use ottla_protocol::records::{Header, OwnedHeader};

use super::record::{FewHeaders, HeaderList, Record};
use crate::consumer::ConsumerRecord;

/// A record to be sent that owns what it is made of. Cheap to clone.
///
/// ```no_run
/// # async fn example(producer: ottla::Producer, mut consumer: ottla::Consumer) -> ottla::Result<()> {
/// use ottla::OwnedRecord;
/// // A copy in another topic, with its key, value, headers and timestamp.
/// let mut copy = OwnedRecord::from(consumer.recv().await?);
/// copy.topic = "copies".into();
/// let delivery = producer.send(copy.as_record()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition; `None` leaves it to the partitioner.
    pub partition: Option<i32>,
    /// Milliseconds since 1970; `None` is when it is sent.
    pub timestamp: Option<i64>,
    /// The key; `None` is null.
    pub key: Option<Bytes>,
    /// The value; `None` is null, which compaction reads as a tombstone.
    pub value: Option<Bytes>,
    /// The headers, in order; names may repeat.
    pub headers: Vec<OwnedHeader>,
}

impl OwnedRecord {
    /// An empty record for a topic: key and value are null.
    #[must_use]
    pub fn to(topic: impl Into<Arc<str>>) -> Self {
        Self {
            topic: topic.into(),
            partition: None,
            timestamp: None,
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    /// The key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The value.
    #[must_use]
    pub fn value(mut self, value: impl Into<Bytes>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        let (key, value) = (name.into(), Some(value.into()));
        self.headers.push(OwnedHeader { key, value });
        self
    }

    /// The same record, borrowed: what [`Producer::send`](super::Producer::send) takes.
    #[must_use]
    pub fn as_record(&self) -> Record<'_, FewHeaders<'_>> {
        let headers = self.headers.iter().map(|header| Header {
            key: &header.key,
            value: header.value.as_deref(),
        });
        Record {
            topic: &self.topic,
            partition: self.partition,
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: headers.collect(),
        }
    }
}

impl<'a> From<&'a OwnedRecord> for Record<'a, FewHeaders<'a>> {
    fn from(owned: &'a OwnedRecord) -> Self {
        owned.as_record()
    }
}

/// Copies what the record borrows.
impl<'a, H: HeaderList<'a>> From<&Record<'a, H>> for OwnedRecord {
    fn from(record: &Record<'a, H>) -> Self {
        let headers = record.header_slice().iter();
        Self {
            topic: record.topic.into(),
            partition: record.partition,
            timestamp: record.timestamp,
            key: record.key.map(Bytes::copy_from_slice),
            value: record.value.map(Bytes::copy_from_slice),
            headers: headers
                .map(|header| OwnedHeader {
                    key: Bytes::copy_from_slice(header.key),
                    value: header.value.map(Bytes::copy_from_slice),
                })
                .collect(),
        }
    }
}

/// A copy to be sent. The partition is left to the partitioner; a record without a timestamp gets one when
/// it is sent.
impl From<ConsumerRecord> for OwnedRecord {
    fn from(record: ConsumerRecord) -> Self {
        Self {
            topic: record.topic,
            partition: None,
            timestamp: Some(record.timestamp).filter(|timestamp| *timestamp >= 0),
            key: record.key,
            value: record.value,
            headers: record.headers,
        }
    }
}

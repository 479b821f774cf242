//! Records to send, and what came back.

use bytes::Bytes;
use ottla::{
    Consumer, ConsumerRecord, Producer, Record,
    protocol::records::{Header, OwnedHeader},
};

/// A record that stands by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnRecord {
    /// The partition; `None` leaves it to the partitioner.
    pub partition: Option<i32>,
    /// The timestamp; `None` is now.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Vec<OwnedHeader>,
}

impl OwnRecord {
    /// A value for a partition.
    pub fn value(partition: i32, value: impl Into<Bytes>) -> Self {
        Self {
            partition: Some(partition),
            value: Some(value.into()),
            ..Self::default()
        }
    }
}

/// Sends records in order, waits for all, and returns their offsets; -1 where the broker says none.
pub async fn send_all(producer: &Producer, topic: &str, records: &[OwnRecord]) -> Vec<i64> {
    let mut deliveries = Vec::new();
    for own in records {
        let headers: Vec<_> = own.headers.iter().map(borrowed).collect();
        let mut record = Record::to(topic).headers(&headers);
        if let Some(partition) = own.partition {
            record = record.partition(partition);
        }
        if let Some(timestamp) = own.timestamp {
            record = record.timestamp(timestamp);
        }
        if let Some(key) = &own.key {
            record = record.key(key);
        }
        if let Some(value) = &own.value {
            record = record.value(value);
        }
        deliveries.push(producer.send(record).await.expect("there is room"));
    }
    let mut offsets = Vec::new();
    for delivery in deliveries {
        let written = delivery.await.expect("it is written");
        offsets.push(written.offset.unwrap_or(-1));
    }
    offsets
}

fn borrowed(header: &OwnedHeader) -> Header<'_> {
    Header {
        key: &header.key,
        value: header.value.as_deref(),
    }
}

/// The next `n` records.
pub async fn read(consumer: &mut Consumer, n: usize) -> Vec<ConsumerRecord> {
    let mut records = Vec::with_capacity(n);
    while records.len() < n {
        records.push(consumer.recv().await.expect("a record comes"));
    }
    records
}

/// Holds what came back against what was sent, in order.
pub fn expect_records(got: &[ConsumerRecord], sent: &[OwnRecord]) {
    assert_eq!(got.len(), sent.len());
    for (got, sent) in got.iter().zip(sent) {
        assert_eq!((&got.key, &got.value), (&sent.key, &sent.value));
        assert_eq!(got.headers, sent.headers);
        if let Some(timestamp) = sent.timestamp {
            assert_eq!(got.timestamp, timestamp);
        }
    }
}

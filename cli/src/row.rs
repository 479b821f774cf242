//! A consumed record with all that can be printed of it.

use ottla::{
    RecordBatch,
    protocol::records::{Header, Record, TimestampType},
};

/// A record, and where it comes from.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: Vec<Header<'a>>,
}

impl<'a> Row<'a> {
    pub(crate) fn new(batch: &'a RecordBatch, record: &Record<'a>) -> Self {
        Self {
            topic: batch.topic(),
            partition: batch.partition(),
            offset: record.offset,
            timestamp_type: batch.header().timestamp_type(),
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: record.headers.collect(),
        }
    }
}

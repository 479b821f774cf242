//! Which batches a reader of committed records skips (`isolation.level=read_committed`, KIP-98).

use std::collections::BTreeSet;

use super::{Batch, ControlRecordType, RecordError};

/// The aborted transactions among the batches of one partition's fetch: the broker names where each
/// begins, and the log says where it ends. It is asked about each of those batches, in order.
///
/// ```
/// # use ottla_protocol::records::{AbortedTransactions, Batches, Decompressor, RecordError};
/// # fn read(frame: bytes::Bytes, listed: Vec<(i64, i64)>) -> Result<(), RecordError> {
/// let mut aborted = AbortedTransactions::new(listed);
/// let mut decompressor = Decompressor::default();
/// for raw in Batches::new(frame) {
///     let batch = raw?.open(&mut decompressor)?;
///     let next = batch.header().last_offset() + 1; // the position moves over what is skipped, too
///     if !aborted.skips(&batch)? {
///         for record in &batch { /* it is committed */ }
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct AbortedTransactions {
    /// Producer and first offset of those whose end was not seen yet, so ordered (rule 65).
    listed: BTreeSet<(i64, i64)>,
}

impl AbortedTransactions {
    /// The `aborted_transactions` of a fetched partition as pairs of producer id and first offset,
    /// in any order: not every broker sorts them.
    pub fn new(listed: impl IntoIterator<Item = (i64, i64)>) -> Self {
        Self {
            listed: listed.into_iter().collect(),
        }
    }

    /// Whether nothing of the batch is for a reader of committed records: it is part of an aborted
    /// transaction, or a control batch, which is for no reader at all. An abort marker ends the
    /// transaction of its producer.
    ///
    /// # Errors
    /// When a control batch cannot be read, so that it is not known what ended.
    pub fn skips(&mut self, batch: &Batch) -> Result<bool, RecordError> {
        let header = batch.header();
        if !header.is_transactional() {
            return Ok(header.is_control());
        }
        if !header.is_control() {
            return Ok(self
                .begun(header.producer_id, header.last_offset())
                .is_some());
        }
        let control = batch.control_record()?.map(|c| c.control_type);
        if control == Some(ControlRecordType::Abort) {
            self.end(header.producer_id, header.last_offset());
        }
        Ok(true)
    }

    /// The oldest aborted transaction of the producer that began up to this offset.
    fn begun(&self, producer_id: i64, until: i64) -> Option<(i64, i64)> {
        let begun = (producer_id, i64::MIN)..=(producer_id, until);
        self.listed.range(begun).next().copied()
    }

    /// Ends what the producer began before its marker: one transaction, or none where it wrote
    /// nothing here, or more where compaction took a marker. A later one stays in the list.
    fn end(&mut self, producer_id: i64, marker: i64) {
        while let Some(ended) = self.begun(producer_id, marker) {
            self.listed.remove(&ended);
        }
    }
}

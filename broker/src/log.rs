//! The log of one partition: its record batches, each at its place.
//!
//! A batch is copied once, when it is appended, so that it does not keep the frame it came in; from
//! then on it is shared. Whoever holds the cluster's lock may read the log; records are opened
//! outside of it.

use std::collections::VecDeque;

use bytes::Bytes;
use ottla_protocol::records::RawBatch;

use crate::{topic_config::TopicConfig, transactions::Transactions};

/// The log of one partition.
#[derive(Debug, Default)]
pub(crate) struct Log {
    batches: VecDeque<Stored>,
    start: i64,
    high_watermark: i64,
    end: i64,
    size: u64,
    transactions: Transactions,
}

/// A batch and when it was appended.
#[derive(Debug)]
struct Stored {
    batch: RawBatch,
    appended_ms: i64,
}

impl Stored {
    fn last_offset(&self) -> i64 {
        self.batch.header().last_offset()
    }

    fn len(&self) -> usize {
        self.batch.bytes().len()
    }

    /// The time that counts for retention: the newest record's, or the broker's where it has none.
    fn time(&self) -> i64 {
        match self.batch.header().max_timestamp {
            ..0 => self.appended_ms,
            time => time,
        }
    }
}

/// Where the epoch of a fetcher ends here (KIP-320).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochEnd {
    pub(crate) epoch: i32,
    pub(crate) end_offset: i64,
}

impl Log {
    /// The first offset that is still there.
    pub(crate) const fn start(&self) -> i64 {
        self.start
    }

    /// The offset after the last one.
    pub(crate) const fn end(&self) -> i64 {
        self.end
    }

    /// The offset up to which all replicas in sync have the log: readers see no further.
    pub(crate) const fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// The last stable offset: from here on a transaction is open, or a replica in sync lags.
    pub(crate) fn stable_end(&self) -> i64 {
        let open = self.transactions.first_open().unwrap_or(self.end);
        open.min(self.high_watermark)
    }

    /// What aborted transactions a reader of these offsets has to skip.
    pub(crate) fn aborted(&self, from: i64, until: i64) -> Vec<(i64, i64)> {
        self.transactions.aborted(from, until)
    }

    /// The batches in order.
    pub(crate) fn batches(&self) -> impl Iterator<Item = &RawBatch> {
        self.batches.iter().map(|s| &s.batch)
    }

    /// Appends a batch that stands at its place already, which is at the end or after it.
    pub(crate) fn append(&mut self, batch: RawBatch, now_ms: i64) {
        debug_assert!(
            batch.header().base_offset >= self.end,
            "the log grows at its end"
        );
        self.transactions.append(&batch);
        self.end = batch.header().last_offset() + 1;
        self.size += batch.bytes().len() as u64;
        self.batches.push_back(Stored {
            batch,
            appended_ms: now_ms,
        });
    }

    /// The batches from this offset on, with the time at which each was appended.
    pub(crate) fn since(&self, offset: i64) -> impl Iterator<Item = (&RawBatch, i64)> {
        let first = self.batches.partition_point(|s| s.last_offset() < offset);
        let since = self.batches.range(first..);
        since.map(|s| (&s.batch, s.appended_ms))
    }

    /// All replicas in sync have the log up to here.
    pub(crate) fn commit(&mut self, offset: i64) {
        self.high_watermark = offset.max(self.high_watermark);
    }

    /// Cuts off what begins at this offset, of which nothing was committed.
    pub(crate) fn truncate(&mut self, end: i64) {
        debug_assert!(end >= self.high_watermark, "what is committed stays");
        let before = self.batches.len();
        while self.batches.back().is_some_and(|s| s.last_offset() >= end) {
            let last = self.batches.pop_back();
            self.size -= last.map_or(0, |s| s.len() as u64);
        }
        self.end = end;
        if self.batches.len() < before {
            self.transactions = Transactions::default();
            for stored in &self.batches {
                self.transactions.append(&stored.batch);
            }
        }
    }

    /// The batches from the one that holds `from` on, whole, as long as they begin before `until`
    /// and fit `limit`. With `whole_first` the first is read whatever its size (KIP-74).
    pub(crate) fn read(&self, from: i64, until: i64, limit: usize, whole_first: bool) -> Bytes {
        let first = self.batches.partition_point(|s| s.last_offset() < from);
        let (mut count, mut size) = (0, 0);
        for stored in self.batches.range(first..) {
            let fits = size + stored.len() <= limit || (whole_first && count == 0);
            if !fits || stored.batch.header().base_offset >= until {
                break;
            }
            size += stored.len();
            count += 1;
        }
        if count == 1 {
            return self.batches[first].batch.bytes().clone();
        }
        let mut joined = Vec::with_capacity(size);
        for stored in self.batches.range(first..first + count) {
            joined.extend_from_slice(stored.batch.bytes());
        }
        joined.into()
    }

    /// The end of the greatest epoch up to `epoch` that has batches here; of none, the start.
    pub(crate) fn end_of_epoch(&self, epoch: i32) -> EpochEnd {
        let of = |s: &Stored| s.batch.header().partition_leader_epoch;
        let next = self.batches.iter().position(|s| of(s) > epoch);
        let known = self.batches.iter().take(next.unwrap_or(self.batches.len()));
        EpochEnd {
            epoch: known.map(of).last().unwrap_or(epoch),
            end_offset: next.map_or(self.end, |i| self.batches[i].batch.header().base_offset),
        }
    }

    fn committed(&self) -> impl Iterator<Item = &RawBatch> {
        self.batches()
            .take_while(|b| b.header().base_offset < self.high_watermark)
    }

    /// The first batch with a record of this time or a later one.
    pub(crate) fn first_at(&self, timestamp: i64) -> Option<&RawBatch> {
        self.committed()
            .find(|b| b.header().max_timestamp >= timestamp)
    }

    /// The first batch with the greatest timestamp of all.
    pub(crate) fn newest(&self) -> Option<&RawBatch> {
        let newest = self.committed().map(|b| b.header().max_timestamp).max()?;
        self.first_at(newest)
    }

    /// Forgets the batches that are too old or too many (`retention.ms`, `retention.bytes`).
    pub(crate) fn retain(&mut self, config: &TopicConfig, now_ms: i64) {
        let old = |s: &Stored| config.retention_ms.is_some_and(|ms| now_ms - s.time() > ms);
        let many = |left: u64| config.retention_bytes.is_some_and(|most| left >= most);
        while let Some(first) = self.batches.front()
            && first.last_offset() < self.high_watermark
            && (old(first) || many(self.size - first.len() as u64))
        {
            self.forget_first();
        }
        self.transactions.forget_before(self.start);
    }

    /// Forgets the batches that end before this offset and are committed.
    pub(crate) fn delete_before(&mut self, offset: i64) {
        let until = offset.min(self.high_watermark);
        while self
            .batches
            .front()
            .is_some_and(|s| s.last_offset() < until)
        {
            self.forget_first();
        }
        self.transactions.forget_before(self.start);
    }

    fn forget_first(&mut self) {
        if let Some(first) = self.batches.pop_front() {
            self.start = first.last_offset() + 1;
            self.size -= first.len() as u64;
        }
    }
}

//! Which transactions of a log are open, and which were aborted: what readers of committed records
//! need to know.

use std::collections::BTreeMap;

use ottla_protocol::records::{Decompressor, RawBatch};

/// The transactions of one log, as its batches tell of them.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    /// The first offset of the open transaction of each producer.
    open: BTreeMap<i64, i64>,
    aborted: Vec<Aborted>,
}

#[derive(Debug)]
struct Aborted {
    producer_id: i64,
    first_offset: i64,
    /// Where the marker stands.
    last_offset: i64,
}

impl Transactions {
    /// Takes note of a batch that was appended.
    pub(crate) fn append(&mut self, batch: &RawBatch) {
        let header = batch.header();
        if !header.is_transactional() {
            return;
        }
        if !header.is_control() {
            self.open
                .entry(header.producer_id)
                .or_insert(header.base_offset);
            return;
        }
        let Some(marker) = marker(batch) else { return };
        let Some(first_offset) = self.open.remove(&header.producer_id) else {
            return;
        };
        if marker == Marker::Abort {
            self.aborted.push(Aborted {
                producer_id: header.producer_id,
                first_offset,
                last_offset: header.last_offset(),
            });
        }
    }

    /// The first offset of the oldest open transaction.
    pub(crate) fn first_open(&self) -> Option<i64> {
        self.open.values().min().copied()
    }

    /// Producer and first offset of each aborted transaction that has records in the range.
    pub(crate) fn aborted(&self, from: i64, until: i64) -> Vec<(i64, i64)> {
        let reaches = |a: &&Aborted| a.last_offset >= from && a.first_offset < until;
        let found = self.aborted.iter().filter(reaches);
        found.map(|a| (a.producer_id, a.first_offset)).collect()
    }

    /// Forgets what lies before the start of the log.
    pub(crate) fn forget_before(&mut self, start: i64) {
        self.aborted.retain(|a| a.last_offset >= start);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    Abort,
    Commit,
}

/// What a control batch says about its transaction; its record's key is a version and a type.
fn marker(batch: &RawBatch) -> Option<Marker> {
    let batch = batch
        .clone()
        .open_unchecked(&mut Decompressor::default())
        .ok()?;
    let record = batch.records().next()?.ok()?;
    match record.key?.get(2..4)? {
        [0, 0] => Some(Marker::Abort),
        [0, 1] => Some(Marker::Commit),
        _ => None,
    }
}

//! What is on its way from the brokers to the application.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    assignment::{Incarnation, Key},
    budget::Charge,
    fetched::RecordBatch,
};
use crate::error::{Error, Result};

/// What one fetch brought for one partition, or what is wrong with it.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) key: Key,
    /// The attempt that brought it.
    pub(super) fetching: u32,
    pub(super) current: Incarnation,
    pub(super) content: Result<RawBatches, Trouble>,
}

/// The batches of one partition as they came.
#[derive(Debug)]
pub(super) struct RawBatches {
    /// They are taken apart one by one as they are opened: a list of all would take more memory than
    /// the batches do, where each has one record.
    pub(super) records: Bytes,
    /// The position that was fetched from.
    pub(super) from: i64,
    pub(super) high_watermark: i64,
    /// What the budget is charged for the frame that all batches of one answer lie in.
    pub(super) frame: Arc<Charge>,
}

/// What is wrong with a partition.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) error: Error,
    /// Nothing more comes of the partition until the application seeks.
    pub(super) lost: bool,
}

/// Something for the application, in the order it came in.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) key: Key,
    /// The assignment or seek that it answers.
    pub(super) wanted: u32,
    /// What the budget is charged for it; nothing while its partition is paused.
    pub(super) charge: Option<Charge>,
    /// What to charge again when the partition is resumed.
    pub(super) size: usize,
    /// A batch that was not decompressed lies in its frame, and keeps all of it.
    pub(super) _frame: Option<Arc<Charge>>,
    pub(super) content: Result<RecordBatch, Trouble>,
}

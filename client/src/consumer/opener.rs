//! The task that opens what was fetched, in the order it came: checks checksums, decompresses, and
//! queues batches for the application.

use std::sync::Arc;

use ottla_core::fetcher::Start;
use ottla_protocol::records::{Batch, Batches, Compression, Decompressor, RawBatch, RecordError};
use tokio::sync::mpsc;

use super::{
    arrivals::{Arrival, Raw, RawBatches, Trouble},
    assignment::{Incarnation, Key, Numbers},
    budget::{Budget, Charge, ENTRY, ERROR},
    command::Command,
    fetched::RecordBatch,
};
use crate::error::{Error, ErrorKind, Result};

pub(super) struct Opener {
    pub(super) decompressor: Decompressor,
    pub(super) check_crcs: bool,
    pub(super) opened: mpsc::UnboundedSender<Arrival>,
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) budget: Arc<Budget>,
    pub(super) numbers: Numbers,
}

impl Opener {
    pub(super) async fn run(mut self, mut raw: mpsc::UnboundedReceiver<Raw>) {
        while let Some(raw) = raw.recv().await {
            match raw.content {
                Ok(batches) => {
                    self.open(&raw.key, raw.fetching, &raw.current, batches)
                        .await;
                }
                Err(trouble) => {
                    if let Some(wanted) = raw.current.served_by(raw.fetching) {
                        self.hand_over(&raw.key, wanted, ERROR, None, Err(trouble));
                    }
                }
            }
            // Decompressing a fetch takes a while; others have a turn in between.
            tokio::task::yield_now().await;
        }
    }

    async fn open(&mut self, key: &Key, fetching: u32, current: &Incarnation, raw: RawBatches) {
        let mut damage = None;
        let mut next = raw.from;
        for batch in Batches::new(raw.records) {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    damage = Some(error);
                    break;
                }
            };
            let last = batch.header().last_offset();
            let is_wanted = || current.served_by(fetching).filter(|_| last >= raw.from);
            if is_wanted().is_none() {
                continue;
            }
            self.wait_for_room(&is_wanted).await;
            let Some(wanted) = is_wanted() else {
                continue;
            };
            match self.open_one(batch) {
                Ok(batch) => {
                    let (size, frame) = kept(&batch, &raw.frame);
                    let batch = record_batch(key, batch, raw.from, raw.high_watermark);
                    self.hand_over(key, wanted, size, frame, Ok(batch));
                }
                Err(error) => {
                    damage = Some(error);
                    break;
                }
            }
            next = last.saturating_add(1);
        }
        if let Some(error) = damage {
            self.start_over(key, fetching, current, next, error);
        }
    }

    /// Waits until the application has taken enough of what was opened before. A fetch of a few
    /// hundred kilobytes can open to gigabytes, so there must be room before each batch. What is not
    /// wanted any more is waited for no longer.
    async fn wait_for_room(&self, is_wanted: &impl Fn() -> Option<u32>) {
        while !self.budget.may_open() && is_wanted().is_some() {
            self.budget.taken.notified().await;
        }
    }

    fn open_one(&mut self, batch: RawBatch) -> Result<Batch, RecordError> {
        if self.check_crcs {
            batch.open(&mut self.decompressor)
        } else {
            batch.open_unchecked(&mut self.decompressor)
        }
    }

    /// A batch cannot be read. The application gets an error, what was fetched behind it is dropped,
    /// and the position stays in front of it: no record is skipped unless the application seeks.
    fn start_over(
        &self,
        key: &Key,
        fetching: u32,
        current: &Incarnation,
        at: i64,
        error: RecordError,
    ) {
        let attempt = self.numbers.next();
        if !current.supersede(fetching, attempt) {
            return;
        }
        let Some(wanted) = current.served_by(attempt) else {
            return;
        };
        let doing = format!("reading {}-{} at offset {at}", key.0, key.1);
        let error = Error::new(ErrorKind::Records(error), doing);
        tracing::warn!(topic = %key.0, partition = key.1, offset = at, %error, "a batch is damaged");
        let trouble = Trouble { error, lost: false };
        self.hand_over(key, wanted, ERROR, None, Err(trouble));
        let (key, start) = (key.clone(), Start::Offset(at));
        let again = Command::Retry {
            key,
            start,
            fetching: attempt,
        };
        // The driver has ended when the consumer is being dropped.
        let _: Result<_, _> = self.commands.send(again);
    }

    fn hand_over(
        &self,
        key: &Key,
        wanted: u32,
        size: usize,
        frame: Option<Arc<Charge>>,
        content: Result<RecordBatch, Trouble>,
    ) {
        let _: Result<_, _> = self.opened.send(Arrival {
            key: key.clone(),
            wanted,
            charge: Some(self.budget.charge_opened(size)),
            size,
            _frame: frame,
            content,
        });
    }
}

/// What a batch keeps in memory while it waits: its own bytes when it was decompressed, else the frame
/// that it lies in; and its place in the queue.
fn kept(batch: &Batch, frame: &Arc<Charge>) -> (usize, Option<Arc<Charge>>) {
    match batch.header().compression() {
        Ok(Compression::None) => (ENTRY, Some(frame.clone())),
        _ => (ENTRY + batch.size(), None),
    }
}

fn record_batch(key: &Key, batch: Batch, from: i64, high_watermark: i64) -> RecordBatch {
    // Transaction markers are the broker's own: no record of theirs was asked for.
    let from = if batch.header().is_control() {
        i64::MAX
    } else {
        from
    };
    RecordBatch {
        topic: key.0.clone(),
        partition: key.1,
        batch,
        from,
        high_watermark,
    }
}

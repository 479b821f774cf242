//! The task that opens what was fetched, in the order it came: checks checksums, decompresses, and
//! queues batches for the application.

use std::sync::Arc;

use ottla_core::fetcher::Start;
use ottla_protocol::records::{Batch, Decompressor, RawBatch, RecordError};
use tokio::sync::mpsc;

use super::{
    Arrival, ERROR_SIZE, Incarnation, Key, Numbers, QueueSize, driver::Command,
    fetched::RecordBatch,
};
use crate::error::{Error, ErrorKind, Result};

/// What one fetch brought for one partition, or what is wrong with it.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) key: Key,
    /// The attempt that brought it.
    pub(super) fetching: u32,
    pub(super) current: Incarnation,
    pub(super) content: Result<RawBatches>,
}

/// The batches of one partition as they came.
#[derive(Debug)]
pub(super) struct RawBatches {
    pub(super) batches: Vec<RawBatch>,
    /// A damaged batch that follows them.
    pub(super) damage: Option<RecordError>,
    /// The position that was fetched from.
    pub(super) from: i64,
    pub(super) high_watermark: i64,
    /// What the queue was charged for them as they came.
    pub(super) size: usize,
}

pub(super) struct Opener {
    pub(super) decompressor: Decompressor,
    pub(super) check_crcs: bool,
    pub(super) opened: mpsc::UnboundedSender<Arrival>,
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) queue: Arc<QueueSize>,
    pub(super) numbers: Numbers,
}

impl Opener {
    pub(super) async fn run(mut self, mut raw: mpsc::UnboundedReceiver<Raw>) {
        while let Some(raw) = raw.recv().await {
            match raw.content {
                Ok(batches) => self.open(&raw.key, raw.fetching, &raw.current, batches),
                Err(error) => {
                    if let Some(wanted) = raw.current.served_by(raw.fetching) {
                        self.hand_over(&raw.key, wanted, ERROR_SIZE, Err(error));
                    }
                }
            }
            // Decompressing a fetch takes a while; others have a turn in between.
            tokio::task::yield_now().await;
        }
    }

    fn open(&mut self, key: &Key, fetching: u32, current: &Incarnation, raw: RawBatches) {
        let mut damage = raw.damage;
        let mut next = raw.from;
        for batch in raw.batches {
            let last = batch.header().last_offset();
            let Some(wanted) = current.served_by(fetching).filter(|_| last >= raw.from) else {
                continue;
            };
            match self.open_one(batch) {
                Ok(batch) => {
                    let size = batch.size();
                    let batch = record_batch(key, batch, raw.from, raw.high_watermark);
                    self.hand_over(key, wanted, size, Ok(batch));
                }
                Err(error) => {
                    damage = Some(error);
                    break;
                }
            }
            next = last.saturating_add(1);
        }
        self.queue.remove(raw.size);
        if let Some(error) = damage {
            self.start_over(key, fetching, current, next, error);
        }
    }

    fn open_one(&mut self, batch: RawBatch) -> Result<Batch, RecordError> {
        if self.check_crcs {
            batch.open(&mut self.decompressor)
        } else {
            batch.open_unchecked(&mut self.decompressor)
        }
    }

    /// A batch cannot be read. The application hears of it, what was fetched behind it is dropped,
    /// and the position stays in front of it: nothing is skipped that nobody asked to skip.
    fn start_over(
        &self,
        key: &Key,
        fetching: u32,
        current: &Incarnation,
        at: i64,
        error: RecordError,
    ) {
        let anew = self.numbers.next();
        if !current.supersede(fetching, anew) {
            return;
        }
        let Some(wanted) = current.served_by(anew) else {
            return;
        };
        let doing = format!("reading {}-{} at offset {at}", key.0, key.1);
        let error = Error::new(ErrorKind::Records(error), doing);
        self.hand_over(key, wanted, ERROR_SIZE, Err(error));
        let (key, start) = (key.clone(), Start::Offset(at));
        let again = Command::Retry {
            key,
            start,
            fetching: anew,
        };
        // Nobody listens any more when the consumer is being dropped; nor below.
        let _: Result<_, _> = self.commands.send(again);
    }

    fn hand_over(&self, key: &Key, wanted: u32, size: usize, content: Result<RecordBatch>) {
        self.queue.add(size);
        let key = key.clone();
        let _: Result<_, _> = self.opened.send(Arrival {
            key,
            wanted,
            size,
            content,
        });
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

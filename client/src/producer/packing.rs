//! Compression: beside the producer's task, on as many threads as there are cores, with each
//! partition's batches coming out in the order in which they went in.

use std::{
    collections::{HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use ottla_core::producer::{Batch, Slot};
use ottla_protocol::records::{Compression, Compressor};
use rustc_hash::FxHashMap;

use super::{batch::Held, memory::PAGE, record::Completion, settings::Settings};

/// A partition's batches, in order.
type Queue = VecDeque<Place>;

/// Where a batch is waited for.
#[derive(Debug)]
struct Place {
    /// Its job.
    id: u64,
    /// While the job is not done.
    coming: Coming,
    batch: Option<Batch<Held>>,
}

/// A batch that is elsewhere.
#[derive(Debug)]
pub(super) struct Coming {
    pub(super) completion: Arc<Completion>,
    pub(super) number: u64,
    pub(super) count: u32,
}

/// Batches that may go on to the machine, in order.
type Ready = Vec<(Slot, Batch<Held>)>;

/// Batches that are being compressed.
#[derive(Debug)]
pub(super) struct Packing {
    compression: Compression,
    topics: HashMap<Arc<str>, Compression>,
    levels: Levels,
    /// What lies ready to be used.
    compressors: Vec<Compressor>,
    /// Jobs that may still begin.
    free: usize,
    waiting: VecDeque<(Slot, u64, Batch<Held>)>,
    /// In order, by partition; those that are done stand there until those in front of them are.
    queues: FxHashMap<Slot, Queue>,
    next: u64,
}

/// The levels that are set, by compression.
#[derive(Debug, Clone, Copy)]
struct Levels {
    gzip: Option<i32>,
    zstd: Option<i32>,
}

impl Levels {
    fn compressor(self, compression: Compression) -> Compressor {
        let level = match compression {
            Compression::Gzip => self.gzip,
            Compression::Zstd => self.zstd,
            _ => None,
        };
        Compressor::new(compression, level)
    }
}

/// A batch to be compressed, on any thread.
#[derive(Debug)]
pub(super) struct Job {
    slot: Slot,
    id: u64,
    batch: Batch<Held>,
    /// Until it panics.
    compressor: Option<Compressor>,
}

/// A [`Job`] that is done.
#[derive(Debug)]
pub(super) struct Packed(Job);

impl Job {
    pub(super) fn run(mut self) -> Packed {
        let Self {
            batch, compressor, ..
        } = &mut self;
        *compressor = compressor
            .take()
            .and_then(|compressor| pack(&mut batch.payload, compressor));
        Packed(self)
    }
}

/// Compresses a batch. A codec that fails, or panics, spoils its batch and none of those behind it;
/// one that panicked is not used again.
fn pack(held: &mut Held, mut compressor: Compressor) -> Option<Compressor> {
    let packed = AssertUnwindSafe(|| held.pack(&mut compressor));
    match catch_unwind(packed) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(%error, doing = held.doing(), "a batch cannot be compressed");
        }
        Err(_) => {
            tracing::error!(doing = held.doing(), "the compressor panicked");
            return None;
        }
    }
    Some(compressor)
}

impl Packing {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            compression: settings.compression,
            topics: settings.topic_compression.clone(),
            levels: Levels {
                gzip: settings.gzip_level.map(|level| level.0),
                zstd: settings.zstd_level.map(|level| level.0),
            },
            compressors: Vec::new(),
            free: settings.packers(),
            waiting: VecDeque::new(),
            queues: FxHashMap::default(),
            next: 0,
        }
    }

    /// Takes a batch in. It comes back at once when there is nothing to compress, or so little that
    /// another thread would cost more; else out of [`ready`](Self::ready).
    pub(super) fn take(&mut self, slot: Slot, mut batch: Batch<Held>) -> Option<Batch<Held>> {
        let held = &mut batch.payload;
        let compression = self.compression_of(held);
        if compression == Compression::None {
            return Some(batch);
        }
        if held.size() <= PAGE && !self.holds(slot) {
            self.pack(held);
            return Some(batch);
        }
        let id = self.next;
        self.next += 1;
        self.queues.entry(slot).or_default().push_back(Place {
            id,
            coming: Coming {
                completion: held.completion.clone(),
                number: held.number,
                count: held.count,
            },
            batch: None,
        });
        self.waiting.push_back((slot, id, batch));
        None
    }

    /// Whether it has batches of this partition.
    pub(super) fn holds(&self, slot: Slot) -> bool {
        self.queues.contains_key(&slot)
    }

    /// Compresses here and now.
    pub(super) fn pack(&mut self, held: &mut Held) {
        let compression = self.compression_of(held);
        if compression != Compression::None {
            let compressor = self.compressor(compression);
            self.compressors.extend(pack(held, compressor));
        }
    }

    /// The next job to be run, while a thread is free.
    pub(super) fn poll_job(&mut self) -> Option<Job> {
        self.free.checked_sub(1)?;
        let (slot, id, batch) = self.waiting.pop_front()?;
        self.free -= 1;
        let compressor = Some(self.compressor(self.compression_of(&batch.payload)));
        Some(Job {
            slot,
            id,
            batch,
            compressor,
        })
    }

    /// Takes a job back. Returns what is now ready of its partition, in order; or the batch itself
    /// when it was given up meanwhile.
    pub(super) fn ready(&mut self, packed: Packed) -> Result<Ready, Box<Batch<Held>>> {
        let Job {
            slot,
            id,
            batch,
            compressor,
        } = packed.0;
        self.free += 1;
        self.compressors.extend(compressor);
        let Some(queue) = self.queues.get_mut(&slot) else {
            return Err(Box::new(batch));
        };
        let Some(place) = queue.iter_mut().find(|place| place.id == id) else {
            return Err(Box::new(batch));
        };
        place.batch = Some(batch);
        let done = queue.iter().take_while(|p| p.batch.is_some()).count();
        let ready = queue.drain(..done);
        let ready = ready.filter_map(|place| Some((slot, place.batch?)));
        let ready = ready.collect();
        if queue.is_empty() {
            self.queues.remove(&slot);
        }
        Ok(ready)
    }

    /// Gives up what it holds; and says what is still being compressed, which then comes to nothing.
    pub(super) fn abort(&mut self) -> (Vec<Batch<Held>>, Vec<Coming>) {
        let waiting = std::mem::take(&mut self.waiting);
        let begun = |place: &Place| waiting.iter().all(|(_, id, _)| *id != place.id);
        let (mut held, mut coming) = (Vec::new(), Vec::new());
        for place in std::mem::take(&mut self.queues).into_values().flatten() {
            if place.batch.is_none() && begun(&place) {
                coming.push(place.coming);
            }
            held.extend(place.batch);
        }
        held.extend(waiting.into_iter().map(|(_, _, batch)| batch));
        (held, coming)
    }

    fn compression_of(&self, held: &Held) -> Compression {
        let of_topic = self.topics.get(&held.completion.topic);
        of_topic.copied().unwrap_or(self.compression)
    }

    fn compressor(&mut self, compression: Compression) -> Compressor {
        let mut ready = self.compressors.iter();
        match ready.position(|c| c.compression() == compression) {
            Some(at) => self.compressors.swap_remove(at),
            None => self.levels.compressor(compression),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use ottla_core::{backoff::Backoff, producer};

    use super::*;
    use crate::producer::{batch::tests::held, memory::Memory};

    fn slot() -> Slot {
        let how = producer::Settings {
            idempotent: true,
            max_in_flight: 5,
            max_request_size: 1 << 20,
            delivery_timeout: Duration::MAX,
            unknown_topic_timeout: Duration::MAX,
            retry_backoff: Backoff::RETRY,
        };
        producer::Producer::<()>::new(how, 1).add_partition("t".into(), 0)
    }

    #[test]
    fn no_more_is_compressed_at_a_time_than_there_are_cores() {
        let settings = Settings {
            compression: Compression::Lz4,
            ..Settings::default()
        };
        let (slot, cores) = (slot(), settings.packers());
        let memory = Arc::new(Memory::new(1 << 30, 2 * PAGE, cores));
        let mut packing = Packing::new(&settings);
        for _ in 0..=cores {
            let payload = held(&memory, 4);
            let batch = Batch {
                size: payload.size(),
                payload,
                count: 2,
                created: Instant::now(),
            };
            assert!(packing.take(slot, batch).is_none(), "that takes a while");
        }
        let jobs: Vec<_> = std::iter::from_fn(|| packing.poll_job()).collect();
        assert_eq!(jobs.len(), cores);
        for job in jobs {
            let ready = packing
                .ready(job.run())
                .expect("the sender did not give it up");
            assert_eq!(ready.len(), 1);
        }
        assert!(packing.poll_job().is_some() && packing.poll_job().is_none());
    }
}

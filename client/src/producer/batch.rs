//! A batch from the moment it is closed: packed, stamped, sent, perhaps cut in two, and finished.

use std::sync::Arc;

use bytes::Bytes;
use ottla_protocol::records::{
    BatchBuilder, Batches, CompressError, Compressor, Decompressor, Header, NewRecord,
    ProducerStamp, Record, SealedBatch,
};

use super::{
    memory::{Memory, Pooled},
    queue::Filling,
    record::{BatchOutcome, Completion, Part},
};

/// A batch as the producer's task, and the machine for it, holds it.
#[derive(Debug)]
pub(super) struct Held {
    stage: Stage,
    pub(super) completion: Arc<Completion>,
    pages: u32,
    /// When its turn came: flushes wait for all up to a number. Parts keep that of the whole.
    pub(super) number: u64,
    /// How many records it has.
    pub(super) count: u32,
    memory: Arc<Memory>,
}

#[derive(Debug)]
enum Stage {
    Filled(BatchBuilder),
    /// Compressed, and not sent yet.
    Packed(SealedBatch),
    Sealed(Bytes, ProducerStamp),
    /// Could not be compressed; it fails when it is next looked at.
    Spoilt,
}

impl Held {
    pub(super) fn new(filling: Filling, number: u64, memory: Arc<Memory>) -> Self {
        let Filling {
            builder,
            completion,
            pages,
            ..
        } = filling;
        Self {
            count: builder.count(),
            stage: Stage::Filled(builder),
            completion,
            pages,
            number,
            memory,
        }
    }

    /// About how many bytes it takes on the wire, as far as it is known by now.
    pub(super) fn size(&self) -> usize {
        match &self.stage {
            Stage::Filled(builder) => builder.size(),
            Stage::Packed(sealed) => sealed.size(),
            Stage::Sealed(bytes, _) => bytes.len(),
            Stage::Spoilt => 0,
        }
    }

    /// Closes the batch and compresses it.
    pub(super) fn pack(&mut self, compressor: &mut Compressor) -> Result<(), CompressError> {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Spoilt) {
            Stage::Filled(builder) => {
                let out = self.memory.buffer(self.pages);
                let (sealed, spare) = builder.seal_compressed(compressor, out)?;
                self.memory.keep(spare, 0);
                Stage::Packed(sealed)
            }
            other => other,
        };
        Ok(())
    }

    /// Its bytes under a stamp: the same ones on every retry, and a copy where it must be stamped
    /// again, since the old bytes may still be on their way. `None` for one that is spoilt.
    pub(super) fn bytes(&mut self, stamp: ProducerStamp) -> Option<Bytes> {
        if let Stage::Sealed(bytes, stamped) = &self.stage
            && *stamped == stamp
        {
            return Some(bytes.clone());
        }
        let mut sealed = match std::mem::replace(&mut self.stage, Stage::Spoilt) {
            Stage::Filled(builder) => builder.seal(),
            Stage::Packed(sealed) => sealed,
            Stage::Sealed(bytes, _) => {
                SealedBatch::copy_of(&bytes, self.memory.buffer(self.pages))?
            }
            Stage::Spoilt => return None,
        };
        sealed.stamp(stamp);
        let pooled = Pooled::new(sealed, self.pages, self.memory.clone());
        let bytes = Bytes::from_owner(pooled);
        self.stage = Stage::Sealed(bytes.clone(), stamp);
        Some(bytes)
    }

    /// Cuts a batch that was sent in two, each with half of the records, and lets its deliveries
    /// follow. The batch comes back when it cannot be read, which is no batch of ours then.
    pub(super) fn split(mut self) -> Result<Vec<(Self, u32)>, Box<Self>> {
        let Stage::Sealed(bytes, _) = &self.stage else {
            return Err(Box::new(self));
        };
        let Some((left, right)) = halves(bytes) else {
            return Err(Box::new(self));
        };
        // What was sent goes back to the pool when the socket lets go of it, so the parts have
        // buffers of their own in its place, and its pages.
        let pages = [self.pages / 2, self.pages - self.pages / 2];
        self.pages = 0;
        self.stage = Stage::Spoilt;
        let first = left.count();
        let parts: Vec<_> = [left, right]
            .into_iter()
            .zip(pages)
            .map(|(builder, pages)| (builder.count(), self.part(builder, pages)))
            .map(|(count, part)| (part, count))
            .collect();
        let targets = [0, first].into_iter().zip(&parts);
        let targets = targets.map(|(first, (part, _))| Part {
            first,
            completion: part.completion.clone(),
        });
        self.completion
            .finish(BatchOutcome::Split(targets.collect()));
        Ok(parts)
    }

    fn part(&self, builder: BatchBuilder, pages: u32) -> Self {
        let Completion {
            topic, partition, ..
        } = &*self.completion;
        Self {
            count: builder.count(),
            stage: Stage::Filled(builder),
            completion: Completion::new(topic.clone(), *partition),
            pages,
            number: self.number,
            memory: self.memory.clone(),
        }
    }

    /// What is being done with it, for errors.
    pub(super) fn doing(&self) -> String {
        self.completion.doing()
    }

    /// Whether it could not be compressed.
    pub(super) const fn is_spoilt(&self) -> bool {
        matches!(self.stage, Stage::Spoilt)
    }
}

/// However it ends, its deliveries are told and its memory is given back.
impl Drop for Held {
    fn drop(&mut self) {
        if !self.completion.is_finished() {
            let given_up = self.completion.given_up();
            self.completion.finish(BatchOutcome::Failed(given_up));
        }
        // The buffer first: then it is ready when a caller that waits for the pages gets them.
        match std::mem::replace(&mut self.stage, Stage::Spoilt) {
            Stage::Filled(builder) => self.memory.keep(builder.seal().into_buffer(), self.pages),
            Stage::Packed(sealed) => self.memory.keep(sealed.into_buffer(), self.pages),
            Stage::Sealed(bytes, _) => drop(bytes),
            Stage::Spoilt => {}
        }
        self.memory.give_back(self.pages);
    }
}

/// The records of a batch in two.
fn halves(batch: &Bytes) -> Option<(BatchBuilder, BatchBuilder)> {
    let raw = Batches::new(batch.clone()).next()?.ok()?;
    let batch = raw.open_unchecked(&mut Decompressor::default()).ok()?;
    let half = batch.len() / 2;
    let mut records = batch.records();
    let left = refill(records.by_ref().take(half))?;
    let right = refill(records)?;
    Some((left, right))
}

fn refill<'a, E>(records: impl Iterator<Item = Result<Record<'a>, E>>) -> Option<BatchBuilder> {
    let mut builder = BatchBuilder::new(Vec::new(), usize::MAX);
    for record in records {
        let record = record.ok()?;
        let headers: Vec<Header<'_>> = record.headers.collect();
        let appended = builder.append(&NewRecord {
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: &headers,
        });
        if !appended {
            return None;
        }
    }
    (!builder.is_empty()).then_some(builder)
}

#[cfg(test)]
pub(super) mod tests {
    use ottla_protocol::records::Compression;

    use super::*;
    use crate::producer::memory::PAGE;

    /// A batch of two records in a buffer of so many pages, which it takes.
    pub(in crate::producer) fn held(memory: &Arc<Memory>, pages: u32) -> Held {
        assert!(memory.try_take(pages), "they are free");
        let value = vec![b'x'; pages as usize * PAGE / 3];
        let mut builder = BatchBuilder::new(memory.buffer(pages), usize::MAX);
        for timestamp in 0..2 {
            let appended = builder.append(&NewRecord {
                timestamp,
                key: None,
                value: Some(&value),
                headers: &[],
            });
            assert!(appended, "there is no limit");
        }
        let filling = Filling {
            builder,
            completion: Completion::new("t".into(), 0),
            created: std::time::Instant::now(),
            pages,
        };
        Held::new(filling, 0, memory.clone())
    }

    #[test]
    fn parts_share_the_pages_of_the_whole() {
        let memory = Arc::new(Memory::new(5 * PAGE, 5 * PAGE, 0));
        let mut whole = held(&memory, 5);
        whole.bytes(ProducerStamp::NONE).expect("it is fine");
        let parts = whole.split().expect("it has two records");
        assert!(!memory.try_take(1), "the parts have them");
        drop(parts);
        assert!(memory.try_take(5) && !memory.try_take(1));
    }

    #[test]
    fn buffers_are_used_again_however_far_a_batch_came() {
        let compress = |held: &mut Held| {
            let mut lz4 = Compressor::new(Compression::Lz4, None);
            held.pack(&mut lz4).expect("it can be compressed");
        };
        let stamp = |held: &mut Held| drop(held.bytes(ProducerStamp::NONE).expect("it is fine"));
        for (compressed, sent) in [(false, false), (false, true), (true, false), (true, true)] {
            let memory = Arc::new(Memory::new(8 * PAGE, 4 * PAGE, 1));
            let mut batch = held(&memory, 4);
            let mut buffers = 1;
            if compressed {
                compress(&mut batch);
                assert_eq!(memory.ready(), 4 * PAGE, "what it was compressed from");
                buffers = 2;
            }
            if sent {
                stamp(&mut batch);
            }
            drop(batch);
            assert_eq!(memory.ready(), buffers * 4 * PAGE, "{compressed}, {sent}");
        }
    }
}

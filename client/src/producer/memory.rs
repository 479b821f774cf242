//! The memory of a producer: a budget that makes senders wait, and buffers that are used again.

use std::sync::{Arc, Mutex, PoisonError};

use ottla_protocol::records::SealedBatch;
use tokio::sync::Semaphore;

/// The unit of the budget in bytes, and the size a batch starts with.
pub(super) const PAGE: usize = 16 * 1024;

/// `buffer.memory` as pages, and the buffers that came back. A fresh buffer costs page faults that
/// a used one does not.
#[derive(Debug)]
pub(super) struct Memory {
    pages: Semaphore,
    total: usize,
    free: Mutex<Vec<Vec<u8>>>,
}

impl Memory {
    pub(super) fn new(bytes: usize) -> Self {
        let total = (bytes / PAGE).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self {
            pages: Semaphore::new(total),
            total,
            free: Mutex::default(),
        }
    }

    /// How many pages a batch of so many bytes takes; never more than there are.
    pub(super) fn pages(&self, bytes: usize) -> u32 {
        bytes.div_ceil(PAGE).clamp(1, self.total) as u32
    }

    /// Takes pages if they are free.
    pub(super) fn try_take(&self, pages: u32) -> bool {
        self.pages
            .try_acquire_many(pages)
            .map(|p| p.forget())
            .is_ok()
    }

    /// Waits for pages, in turn.
    pub(super) async fn take(&self, pages: u32) {
        // Never closed.
        if let Ok(permit) = self.pages.acquire_many(pages).await {
            permit.forget();
        }
    }

    pub(super) fn give_back(&self, pages: u32) {
        self.pages.add_permits(pages as usize);
    }

    /// A buffer that was used before, or an empty one.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
            .unwrap_or_default()
    }

    /// Keeps a buffer for the next batch.
    pub(super) fn keep(&self, buffer: Vec<u8>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < self.total && buffer.capacity() > 0 {
            free.push(buffer);
        }
    }
}

/// A batch on the wire; its buffer goes back when the last reader lets go of it, be that the socket
/// (rule 38).
pub(super) struct Pooled {
    batch: Option<SealedBatch>,
    memory: Arc<Memory>,
}

impl Pooled {
    pub(super) const fn new(batch: SealedBatch, memory: Arc<Memory>) -> Self {
        Self {
            batch: Some(batch),
            memory,
        }
    }
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        self.batch.as_ref().map_or(&[], SealedBatch::as_ref)
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.memory.keep(batch.into_buffer());
        }
    }
}

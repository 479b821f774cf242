//! The memory of a producer: a budget that makes senders wait, and buffers that are used again.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use ottla_protocol::records::SealedBatch;
use tokio::sync::Semaphore;

/// The unit of the budget in bytes, and the size a batch starts with.
pub(super) const PAGE: usize = 16 * 1024;

/// The most that lies ready beside the budget.
const MAX_SPARE: usize = 1 << 20;

/// `buffer.memory` as pages, and the buffers that came back. A fresh buffer costs page faults that
/// a used one does not. Batches and buffers that lie ready stay within the budget together,
/// but for the spare ones that compression needs.
#[derive(Debug)]
pub(super) struct Memory {
    pages: Semaphore,
    total: usize,
    /// The pages of a whole batch.
    batch: u32,
    /// Bytes that may lie ready beside the budget: what compression goes into has no pages.
    spare: usize,
    /// Senders that wait for pages.
    waiting: AtomicUsize,
    /// A caller that does not wait found no room, and none has found any since.
    refused: AtomicBool,
    free: Mutex<Free>,
}

/// Buffers that lie ready: of a page, and of a whole batch.
#[derive(Debug, Default)]
struct Free {
    small: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
    bytes: usize,
}

impl Memory {
    /// `packers` batches may be compressed at a time.
    pub(super) fn new(bytes: usize, batch_size: usize, packers: usize) -> Self {
        let total = (bytes / PAGE).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let batch = batch_size.div_ceil(PAGE).clamp(1, total);
        Self {
            pages: Semaphore::new(total),
            total,
            batch: batch as u32,
            spare: (packers * batch * PAGE).min(MAX_SPARE),
            waiting: AtomicUsize::new(0),
            refused: AtomicBool::new(false),
            free: Mutex::default(),
        }
    }

    /// How many pages a batch of so many bytes takes; never more than there are.
    pub(super) fn pages(&self, bytes: usize) -> u32 {
        bytes.div_ceil(PAGE).clamp(1, self.total) as u32
    }

    /// How many pages a whole batch takes (`batch.size`).
    pub(super) const fn batch(&self) -> u32 {
        self.batch
    }

    /// Takes pages if they are free.
    pub(super) fn try_take(&self, pages: u32) -> bool {
        let Ok(taken) = self.pages.try_acquire_many(pages) else {
            return false;
        };
        taken.forget();
        if self.refused.load(Ordering::Relaxed) {
            self.refused.store(false, Ordering::Relaxed);
        }
        true
    }

    /// A caller found no room, and does not wait for it.
    pub(super) fn refuse(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// Waits for pages, in turn.
    pub(super) async fn take(&self, pages: u32) {
        let _waiting = Waiting::new(&self.waiting);
        // Never closed.
        if let Ok(permit) = self.pages.acquire_many(pages).await {
            permit.forget();
        }
    }

    /// Whether a caller waits for memory, or was refused it: then no batch should linger.
    pub(super) fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0 || self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn give_back(&self, pages: u32) {
        self.pages.add_permits(pages as usize);
    }

    /// A buffer for pages that were taken.
    pub(super) fn buffer(&self, pages: u32) -> Vec<u8> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = match pages {
            n if n == self.batch => free.large.pop(),
            1 => free.small.pop(),
            _ => None,
        };
        if let Some(buffer) = ready {
            free.bytes -= buffer.capacity();
            return buffer;
        }
        // What is new must not come on top of what lies ready.
        free.trim(self.pages.available_permits() * PAGE + self.spare);
        drop(free);
        vec![0; pages as usize * PAGE]
    }

    /// Keeps a buffer for the next batch, if there is room for it beside what is in use. `pages` are
    /// those that are given back with it.
    pub(super) fn keep(&self, buffer: Vec<u8>, pages: u32) {
        let size = buffer.capacity();
        let whole = self.batch as usize * PAGE;
        let room = (self.pages.available_permits() + pages as usize) * PAGE + self.spare;
        if size > room || size != PAGE && size != whole {
            return;
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if size == whole {
            // It was used last: the next batch is likely as large.
            free.trim(room - size);
            free.large.push(buffer);
        } else if free.bytes + size <= room {
            free.small.push(buffer);
        } else {
            return;
        }
        free.bytes += size;
    }

    #[cfg(test)]
    pub(super) fn ready(&self) -> usize {
        self.free.lock().expect("no thread panicked").bytes
    }
}

impl Free {
    /// Lets go of buffers until so many bytes are left.
    fn trim(&mut self, bytes: usize) {
        while self.bytes > bytes {
            let Some(buffer) = self.small.pop().or_else(|| self.large.pop()) else {
                return;
            };
            self.bytes -= buffer.capacity();
        }
    }
}

/// A caller that waits for memory, until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A batch on the wire; its buffer goes back when the last reader lets go of it, be that the socket
/// (rule 38).
pub(super) struct Pooled {
    batch: Option<SealedBatch>,
    pages: u32,
    memory: Arc<Memory>,
}

impl Pooled {
    pub(super) const fn new(batch: SealedBatch, pages: u32, memory: Arc<Memory>) -> Self {
        Self {
            batch: Some(batch),
            pages,
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
            self.memory.keep(batch.into_buffer(), self.pages);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    #[test]
    fn who_waits_no_longer_has_taken_nothing_and_is_not_counted() {
        let memory = Memory::new(4 * PAGE, 4 * PAGE, 0);
        assert!(memory.try_take(3));
        {
            let mut waiting = pin!(memory.take(2));
            let polled = waiting
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending() && memory.is_short());
        }
        assert!(!memory.is_short());
        assert!(memory.try_take(1), "what was free is free");
    }

    #[test]
    fn buffers_in_use_and_ready_stay_within_the_budget() {
        let memory = Memory::new(10 * PAGE, 4 * PAGE, 0);
        assert!(memory.try_take(4) && memory.try_take(4));
        let buffers = [memory.buffer(4), memory.buffer(4)];
        for buffer in buffers {
            memory.keep(buffer, 4);
            memory.give_back(4);
        }
        assert_eq!(memory.ready(), 8 * PAGE);
        // The one that lies ready is used again.
        assert!(memory.try_take(4));
        let again = memory.buffer(4);
        assert_eq!(memory.ready(), 4 * PAGE);
        // Small ones are new, so one of the large ones must go.
        for _ in 0..6 {
            assert!(memory.try_take(1));
            assert_eq!(memory.buffer(1).len(), PAGE);
        }
        assert_eq!(memory.ready(), 0);
        memory.keep(again, 0);
        assert_eq!(memory.ready(), 0, "no page is free for it");
    }

    #[test]
    fn a_buffer_that_comes_back_to_a_full_budget_takes_the_place_of_older_ones() {
        let memory = Memory::new(4 * PAGE, 4 * PAGE, 0);
        memory.keep(vec![0; PAGE], 0);
        assert!(memory.try_take(4));
        memory.keep(vec![1; 4 * PAGE], 4);
        assert_eq!(memory.ready(), 4 * PAGE);
        memory.keep(vec![0; PAGE], 0);
        assert_eq!(
            memory.ready(),
            4 * PAGE,
            "a small one is not worth a large one"
        );
        assert_eq!(memory.buffer(4), vec![1; 4 * PAGE], "used again");
    }

    #[test]
    fn batches_of_one_page_are_used_again_too() {
        let memory = Memory::new(4 * PAGE, PAGE, 0);
        memory.keep(vec![1; PAGE], 0);
        assert_eq!(memory.buffer(1), vec![1; PAGE]);
    }

    #[test]
    fn what_was_compressed_from_is_what_the_next_is_compressed_into() {
        let memory = Memory::new(4 * PAGE, 4 * PAGE, 1);
        assert!(memory.try_take(4));
        let filled = memory.buffer(4);
        drop(memory.buffer(4));
        memory.keep(filled, 0);
        assert_eq!(memory.ready(), 4 * PAGE, "though all pages are taken");
        memory.keep(vec![0; 4 * PAGE], 0);
        assert_eq!(memory.ready(), 4 * PAGE, "one for each that compresses");
    }

    #[test]
    fn a_buffer_of_an_odd_size_is_not_kept() {
        let memory = Memory::new(10 * PAGE, 4 * PAGE, 0);
        memory.keep(vec![0; 5 * PAGE], 0);
        memory.keep(Vec::new(), 0);
        assert_eq!(memory.ready(), 0);
    }
}

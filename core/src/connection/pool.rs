//! The memory of large frames, which is read into again once nobody has a part of the frame any more: its
//! pages are there, and it need not grow as the next frame comes in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

/// Memory that large frames lay in, for all connections of a client. What is in use costs nothing; what is
/// not is at most [`CAPACITY`](Self::CAPACITY).
///
/// ```
/// use ottla_core::connection::{Connection, FramePool, MAX_FRAME};
///
/// let pool = FramePool::default();
/// let connection: Connection<()> = Connection::new(MAX_FRAME, pool.clone());
/// # drop(connection);
/// ```
#[derive(Debug, Clone, Default)]
pub struct FramePool(Arc<Mutex<Free>>);

#[derive(Debug, Default)]
struct Free {
    /// That used last is at the end.
    buffers: Vec<BytesMut>,
    bytes: usize,
}

impl FramePool {
    /// The most that is kept, in bytes.
    pub const CAPACITY: usize = 8 << 20;

    /// Makes a frame of a buffer, whose memory comes back when the last part of the frame is dropped.
    pub(super) fn lend(&self, buffer: BytesMut) -> Bytes {
        let pool = self.clone();
        Bytes::from_owner(Lent { buffer, pool })
    }

    /// Memory for a frame of this size, of which so much has come. A frame never gets much more than it
    /// needs: a consumer would hold more than its budget counts.
    pub(super) fn take(&self, size: usize, have: usize) -> Option<BytesMut> {
        let fits = |buffer: &BytesMut| {
            let capacity = buffer.capacity();
            capacity > have && capacity / 2 <= size
        };
        let mut free = self.free();
        let at = free.buffers.iter().rposition(fits)?;
        let buffer = free.buffers.remove(at);
        free.bytes -= buffer.capacity();
        Some(buffer)
    }

    fn put(&self, mut buffer: BytesMut) {
        buffer.clear();
        let capacity = buffer.capacity();
        if capacity > Self::CAPACITY {
            return;
        }
        // Dropped after the lock: no connection waits while memory is given back.
        let mut gone = Vec::new();
        let mut free = self.free();
        while free.bytes + capacity > Self::CAPACITY {
            let oldest = free.buffers.remove(0);
            free.bytes -= oldest.capacity();
            gone.push(oldest);
        }
        free.bytes += capacity;
        free.buffers.push(buffer);
        drop(free);
    }

    /// Large frames may come no more: one connection got a small one.
    pub(super) fn clear(&self) {
        // Memory is given back after the lock.
        let free = std::mem::take(&mut *self.free());
        drop(free);
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.free().bytes
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A frame that was handed out.
struct Lent {
    buffer: BytesMut,
    pool: FramePool,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.pool.put(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 100_000;

    fn buffer(size: usize) -> BytesMut {
        BytesMut::from(&vec![7; size][..])
    }

    #[test]
    fn the_memory_of_a_frame_comes_back_once_no_part_of_it_is_held() {
        let pool = FramePool::default();
        let frame = pool.lend(buffer(SIZE));
        let (at, part) = (frame.as_ptr(), frame.slice(5..10));
        drop(frame);
        assert!(pool.take(SIZE, 0).is_none(), "a part of it is held");
        drop(part);
        let again = pool.take(SIZE, 0).expect("it is free");
        assert_eq!((again.as_ptr(), again.len()), (at, 0));
        assert!(pool.take(SIZE, 0).is_none(), "it is in use");
        assert_eq!(pool.kept(), 0);
    }

    #[test]
    fn a_frame_gets_neither_much_more_memory_than_it_needs_nor_less_than_has_come() {
        let pool = FramePool::default();
        drop(pool.lend(buffer(SIZE)));
        assert!(pool.take(SIZE / 2 - 1, 0).is_none());
        assert!(pool.take(2 * SIZE, SIZE).is_none());
        assert!(pool.take(SIZE / 2, SIZE - 1).is_some());
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_was_used_last_stays() {
        let pool = FramePool::default();
        let lent: Vec<_> = (0..5)
            .map(|_| pool.lend(buffer(FramePool::CAPACITY / 3)))
            .collect();
        let last = lent[4].as_ptr();
        drop(lent);
        assert_eq!(pool.kept(), 3 * (FramePool::CAPACITY / 3));
        drop(pool.lend(buffer(FramePool::CAPACITY + 1)));
        assert_eq!(pool.kept(), 3 * (FramePool::CAPACITY / 3));
        let taken = pool
            .take(FramePool::CAPACITY / 3, 0)
            .expect("three are kept");
        assert_eq!(taken.as_ptr(), last);
        pool.clear();
        assert_eq!(pool.kept(), 0);
    }
}

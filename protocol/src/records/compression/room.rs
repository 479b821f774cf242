//! The buffers that batches are decompressed into. A buffer that was let go is used again, last in, first
//! out: it is in the processor's caches yet, its pages are there, and it need not be zeroed.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// So many buffers are kept, none of them larger than this: at most 4 MiB for each decompressor.
const KEPT: usize = 4;
const LARGEST: usize = 1 << 20;
/// A batch smaller than this is copied, and its buffer is free again at once.
const SMALL: usize = 16 * 1024;
/// In eighths, what batches are taken to grow to: before one was seen, and at most. Few bytes must not cost much
/// because others before them grew far.
const MOST: usize = 4 * 8;

#[derive(Debug)]
pub(super) struct Rooms {
    free: Arc<Free>,
    /// How far recent batches grew, in eighths.
    growth: usize,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            free: Arc::default(),
            growth: MOST,
        }
    }
}

impl Rooms {
    /// Room for what so many bytes are likely to decompress to. What is in it means nothing.
    pub(super) fn take(&self, packed: usize, limit: usize) -> Vec<u8> {
        let guess = packed.saturating_mul(self.growth) / 8;
        let guess = guess.min(limit).min(LARGEST);
        let fits = |len: usize| len >= guess && (guess <= SMALL || !is_wasted(len, guess));
        self.free.take(fits).unwrap_or_else(|| vec![0; guess])
    }

    /// Makes a batch of the first `used` bytes of the room. The batch keeps at most half as much memory again as
    /// it has bytes: a larger room would make a consumer hold more than its budget counts.
    pub(super) fn fill(&mut self, room: Vec<u8>, used: usize, packed: usize) -> Bytes {
        // One eighth to spare.
        let grew = used.saturating_mul(8) / packed.max(1) + 1;
        self.growth = grew.max((3 * self.growth + grew) / 4).min(MOST);
        let filled = room.get(..used).unwrap_or_default();
        if used < SMALL || is_wasted(room.len(), used) {
            let copy = Bytes::copy_from_slice(filled);
            self.free.put(room);
            return copy;
        }
        Bytes::from_owner(Lent {
            room,
            used,
            free: self.free.clone(),
        })
    }
}

const fn is_wasted(len: usize, used: usize) -> bool {
    len > used + used / 2
}

#[derive(Debug, Default)]
struct Free(Mutex<Vec<Vec<u8>>>);

impl Free {
    fn take(&self, fits: impl Fn(usize) -> bool) -> Option<Vec<u8>> {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = rooms.iter().rposition(|room| fits(room.len()))?;
        Some(rooms.remove(at))
    }

    fn put(&self, room: Vec<u8>) {
        if room.len() > LARGEST {
            return;
        }
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The one that nobody asked for in the longest time goes.
        let gone = (rooms.len() >= KEPT).then(|| rooms.remove(0));
        rooms.push(room);
        drop(rooms);
        drop(gone);
    }
}

/// A buffer with a batch in it; it comes back when the last record of the batch is dropped.
struct Lent {
    room: Vec<u8>,
    used: usize,
    free: Arc<Free>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.room.get(..self.used).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.free.put(std::mem::take(&mut self.room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(rooms: &Rooms) -> usize {
        rooms.free.0.lock().expect("no test panicked").len()
    }

    /// A batch of `used` bytes, all of them `with`.
    fn batch(rooms: &mut Rooms, packed: usize, used: usize, with: u8) -> Bytes {
        let mut room = rooms.take(packed, usize::MAX);
        if room.len() < used {
            room.resize(used, 0);
        }
        room[..used].fill(with);
        rooms.fill(room, used, packed)
    }

    #[test]
    fn a_buffer_is_used_again_and_never_while_a_batch_is_held() {
        let mut rooms = Rooms::default();
        let held = batch(&mut rooms, 30_000, 100_000, 1);
        let first = batch(&mut rooms, 30_000, 100_000, 2);
        let (at, part) = (first.as_ptr(), first.slice(5..10));
        drop(first);
        assert_eq!(kept(&rooms), 0, "a part of it is held");
        assert_eq!(&part[..], [2; 5]);
        drop(part);
        let second = batch(&mut rooms, 30_000, 100_000, 3);
        assert_eq!(second.as_ptr(), at, "it was not used again");
        assert!(held.iter().all(|byte| *byte == 1));
    }

    #[test]
    fn a_small_batch_keeps_no_large_buffer() {
        let mut rooms = Rooms::default();
        drop(batch(&mut rooms, 200_000, 800_000, 1));
        assert_eq!(kept(&rooms), 1);
        // A growth that was never seen before leaves most of the room unused.
        let small = batch(&mut rooms, 200_000, 20_000, 2);
        assert_eq!(kept(&rooms), 1, "the room came back at once");
        assert_eq!(&small[..], vec![2; 20_000]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut rooms = Rooms::default();
        let mut many: Vec<_> = (0..10)
            .map(|_| batch(&mut rooms, 100_000, 500_000, 1))
            .collect();
        many.push(batch(&mut rooms, 100_000, 3 << 20, 1));
        drop(many);
        assert_eq!(kept(&rooms), KEPT);
        let largest = rooms.free.0.lock().expect("no test panicked");
        assert!(largest.iter().all(|room| room.len() <= LARGEST));
    }
}

//! Cuts what comes in into frames, without copying large ones and without trusting a length.

use bytes::{Buf, Bytes, BytesMut};

use super::{Fault, FramePool};

/// What is read at a time while no large frame is expected.
const SCRATCH: usize = 64 * 1024;
/// A frame below this is copied out of the scratch, so that it does not pin the whole of it.
const COPY_BELOW: usize = 4 * 1024;

#[derive(Debug)]
pub(super) struct Inbox {
    buf: BytesMut,
    max_frame: usize,
    received: bool,
    /// The size of the frame at the front, its prefix included, once that is known.
    expected: Option<usize>,
    pool: FramePool,
    /// `buf` is all of its memory. A part keeps the rest, too, which the pool would not count.
    is_whole: bool,
    /// A large frame has come.
    had_large: bool,
}

impl Inbox {
    pub(super) fn new(max_frame: usize, pool: FramePool) -> Self {
        Self {
            buf: BytesMut::new(),
            max_frame,
            received: false,
            expected: None,
            pool,
            is_whole: false,
            had_large: false,
        }
    }

    /// Room grows with what has arrived: a length alone reserves no more than the scratch. A large frame gets
    /// no more than it needs in the end, since a consumer keeps all of it for as long as one record.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        let have = self.buf.len();
        let missing = self.expected.map_or(0, |size| size.saturating_sub(have));
        // A larger buffer only when the old one is used up: asked for earlier, it would double on
        // every small read.
        let used_up = self
            .expected
            .map_or(COPY_BELOW, |_| missing.clamp(1, COPY_BELOW));
        if self.buf.capacity() - have >= used_up {
            return &mut self.buf;
        }
        match self.expected.filter(|size| *size > SCRATCH) {
            None => {
                self.buf.reserve(SCRATCH);
                self.is_whole = false;
            }
            Some(size) => {
                let room = missing.min(have.max(SCRATCH));
                let fresh = || BytesMut::with_capacity(have + room);
                let mut larger = self.pool.take(size, have).unwrap_or_else(fresh);
                larger.extend_from_slice(&self.buf);
                self.buf = larger;
                self.is_whole = true;
            }
        }
        &mut self.buf
    }

    pub(super) fn next_frame(&mut self) -> Result<Option<Bytes>, Fault> {
        self.received |= !self.buf.is_empty();
        let Some(&prefix) = self.buf.first_chunk::<4>() else {
            return Ok(None);
        };
        if let Some(fault) = Fault::of_length(prefix, self.max_frame) {
            return Err(fault);
        }
        let size = u32::from_be_bytes(prefix) as usize + 4;
        if self.buf.len() < size {
            self.expected = Some(size);
            return Ok(None);
        }
        self.expected = None;
        if size > SCRATCH {
            self.had_large = true;
        } else if self.had_large {
            // Each time: what is in use now comes back later, and no large frame may follow.
            self.pool.clear();
        }
        Ok(Some(self.cut(size)))
    }

    /// Takes the frame of this size, its prefix included, from the front.
    fn cut(&mut self, size: usize) -> Bytes {
        if size < COPY_BELOW {
            let frame = Bytes::copy_from_slice(self.buf.get(4..size).unwrap_or_default());
            self.buf.advance(size);
            self.is_whole = false;
            return frame;
        }
        let next = self.buf.get(size..).unwrap_or_default();
        // The bytes behind a large frame move to memory of their own, so that the frame's is used again. If
        // they are more than the frame they stay: many frames that came together would move them each time.
        let mut frame = if size > SCRATCH && next.len() <= size {
            let next = BytesMut::from(next);
            let mut large = std::mem::replace(&mut self.buf, next);
            large.truncate(size);
            if std::mem::replace(&mut self.is_whole, true) {
                self.pool.lend(large)
            } else {
                large.freeze()
            }
        } else {
            self.is_whole = false;
            self.buf.split_to(size).freeze()
        };
        frame.advance(4);
        frame
    }

    pub(super) fn has_received(&self) -> bool {
        self.received || !self.buf.is_empty()
    }

    pub(super) fn is_mid_frame(&self) -> bool {
        !self.buf.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 300_000;

    /// Lets so many bytes come in, each of them `with` after the length, and a part of the next frame.
    fn receive(inbox: &mut Inbox, with: u8) -> Bytes {
        let mut stream = (SIZE as u32).to_be_bytes().to_vec();
        stream.resize(4 + SIZE, with);
        let mut rest = stream.get(inbox.buf.len()..).unwrap_or_default();
        loop {
            if let Some(frame) = inbox.next_frame().expect("a length like others") {
                assert_eq!(inbox.buf.len(), 2, "what came of the next frame");
                return frame;
            }
            let buffer = inbox.buffer();
            let n = rest.len().min(buffer.capacity() - buffer.len()).min(50_000);
            buffer.extend_from_slice(&rest[..n]);
            rest = &rest[n..];
            if rest.is_empty() {
                buffer.extend_from_slice(&(SIZE as u32).to_be_bytes()[..2]);
            }
        }
    }

    /// Each byte is copied once at most: the first frame leaves its memory to what came with it.
    #[test]
    fn frames_that_came_together_share_their_memory() {
        let pool = FramePool::default();
        let mut inbox = Inbox::new(1 << 20, pool.clone());
        for with in 1..=3_u8 {
            inbox.buf.extend_from_slice(&(SIZE as u32).to_be_bytes());
            inbox.buf.extend_from_slice(&vec![with; SIZE]);
        }
        let start = inbox.buf.as_ptr();
        for with in 1..=3_u8 {
            let frame = inbox.next_frame().expect("a length like others");
            let frame = frame.expect("it is whole");
            assert_eq!(&frame[..], vec![with; SIZE]);
            let at = start.wrapping_add((usize::from(with) - 1) * (4 + SIZE) + 4);
            assert_eq!(frame.as_ptr() == at, with < 3, "the last is copied once");
        }
        assert_eq!(inbox.next_frame(), Ok(None));
        // The second is a part of larger memory, which the pool would count as one frame.
        assert_eq!(pool.kept(), 4 + SIZE);
    }

    #[test]
    fn large_frames_are_read_into_the_memory_of_those_that_are_gone_until_a_small_one_comes() {
        let pool = FramePool::default();
        let mut inbox = Inbox::new(1 << 20, pool.clone());
        let first = receive(&mut inbox, 1);
        let at = first.as_ptr();
        let second = receive(&mut inbox, 2);
        assert!(first.iter().all(|byte| *byte == 1), "it is held");
        drop(first);
        let third = receive(&mut inbox, 3);
        assert_eq!(third.as_ptr(), at);
        assert_eq!(&third[..], vec![3; SIZE]);
        assert_eq!(&second[..], vec![2; SIZE]);
        inbox.buf.clear();
        for frame in [second, third] {
            drop(frame);
            assert!(pool.kept() >= SIZE);
            inbox.buf.extend_from_slice(&[0, 0, 0, 4, 1, 2, 3, 4]);
            let small = inbox.next_frame().expect("a length like others");
            assert_eq!(small.as_deref(), Some(&[1, 2, 3, 4][..]));
            assert_eq!(pool.kept(), 0, "a small frame ends it");
        }
    }
}

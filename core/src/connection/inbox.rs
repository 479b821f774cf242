//! Cuts what comes in into frames, without copying large ones and without trusting a length.

use bytes::{Buf, Bytes, BytesMut};

use super::Fault;

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
}

impl Inbox {
    pub(super) fn new(max_frame: usize) -> Self {
        Self {
            buf: BytesMut::new(),
            max_frame,
            received: false,
            expected: None,
        }
    }

    /// Room grows with what has arrived: a length alone reserves no more than the scratch.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        let have = self.buf.len();
        let missing = self.expected.map_or(0, |size| size.saturating_sub(have));
        let room = if missing > SCRATCH {
            missing.min(have.max(SCRATCH))
        } else {
            SCRATCH
        };
        // A larger buffer only when the old one is used up: asked for earlier, it would double on
        // every small read.
        let used_up = self
            .expected
            .map_or(COPY_BELOW, |_| missing.clamp(1, COPY_BELOW));
        if self.buf.capacity() - have < used_up {
            self.buf.reserve(room);
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
        if size < COPY_BELOW {
            let frame = Bytes::copy_from_slice(self.buf.get(4..size).unwrap_or_default());
            self.buf.advance(size);
            return Ok(Some(frame));
        }
        let mut frame = self.buf.split_to(size).freeze();
        frame.advance(4);
        Ok(Some(frame))
    }

    pub(super) fn has_received(&self) -> bool {
        self.received || !self.buf.is_empty()
    }

    pub(super) fn is_mid_frame(&self) -> bool {
        !self.buf.is_empty()
    }
}

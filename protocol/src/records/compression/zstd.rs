//! Zstandard, behind two functions: the library is young, and this is where another would go.

use rust_zstd::{CompressOptions, Compressor, Decompressor};

use super::{Unpack, make_room};

/// The least room offered to the decompressor at a time.
const STEP: usize = 16 * 1024;

pub(super) fn compressor(level: i32) -> Compressor {
    Compressor::new(CompressOptions {
        level,
        ..CompressOptions::default()
    })
}

pub(super) fn compress(compressor: &mut Compressor, data: &[u8], out: &mut Vec<u8>) {
    let mut frame = Vec::new();
    compressor.compress(data, &mut frame);
    out.extend_from_slice(&frame);
}

/// Streams into a buffer that doubles: the one-shot call has no limit.
pub(super) fn decompress(
    decompressor: &mut Decompressor,
    data: &[u8],
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<usize, Unpack> {
    decompressor.reset();
    make_room(out, 0, STEP.min(limit + 1), limit);
    let (mut read, mut written) = (0, 0);
    loop {
        let before = (read, written);
        let hint = decompressor
            .decompress_stream(data, &mut read, out, &mut written)
            .map_err(Unpack::damaged)?;
        if written > limit {
            return Err(Unpack::TooLarge);
        }
        if hint == 0 && read == data.len() {
            return Ok(written);
        }
        if written == out.len() {
            make_room(out, written, 1, limit);
        } else if (read, written) == before {
            return Err(Unpack::damaged("the frame ends too early"));
        }
    }
}

//! Zstandard, behind two functions: the library is young, and this is where another would go.

use rust_zstd::{CompressOptions, Compressor, Decompressor};

use super::{Unpack, first_guess};

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
    limit: usize,
) -> Result<Vec<u8>, Unpack> {
    decompressor.reset();
    let mut out = vec![0; first_guess(data.len(), limit).max(STEP).min(limit + 1)];
    let (mut read, mut written) = (0, 0);
    loop {
        let before = (read, written);
        let hint = decompressor
            .decompress_stream(data, &mut read, &mut out, &mut written)
            .map_err(Unpack::damaged)?;
        if written > limit {
            return Err(Unpack::TooLarge);
        }
        if hint == 0 && read == data.len() {
            out.truncate(written);
            return Ok(out);
        }
        if written == out.len() {
            out.resize((2 * written).max(STEP).min(limit + 1), 0);
        } else if (read, written) == before {
            return Err(Unpack::damaged("the frame ends too early"));
        }
    }
}

//! Snappy. The Java client wraps raw blocks in the framing of the xerial library; librdkafka writes
//! one raw block. Both are read, also with framing headers repeated in mid-stream (rule 14).

use super::{Unpack, make_room};

const MAGIC: &[u8] = b"\x82SNAPPY\0";
/// Version and compatible version, both 1.
const VERSIONS: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 1];
/// What xerial compresses at a time.
const CHUNK: usize = 32 * 1024;
/// No snappy element makes more than 64 bytes of its own.
const MAX_RATIO: usize = 64;

pub(super) fn compress(
    encoder: &mut snap::raw::Encoder,
    data: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), String> {
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(VERSIONS);
    for chunk in data.chunks(CHUNK) {
        let start = out.len();
        out.resize(start + 4 + snap::raw::max_compress_len(chunk.len()), 0);
        let (prefix, place) = out
            .get_mut(start..)
            .and_then(<[u8]>::split_first_chunk_mut::<4>)
            .ok_or("no room was made")?;
        let n = encoder.compress(chunk, place).map_err(|e| e.to_string())?;
        *prefix = (n as u32).to_be_bytes();
        out.truncate(start + 4 + n);
    }
    Ok(())
}

/// Says how much came out, into room that grows as far as needed.
pub(super) fn decompress(data: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<usize, Unpack> {
    if !data.starts_with(MAGIC) {
        return append_block(data, out, 0, limit);
    }
    let mut at = 0;
    let mut rest = data;
    while !rest.is_empty() {
        if let Some(framed) = rest.strip_prefix(MAGIC) {
            rest = framed.get(VERSIONS.len()..).ok_or_else(cut_short)?;
            continue;
        }
        let (size, blocks) = rest.split_first_chunk().ok_or_else(cut_short)?;
        let size = u32::from_be_bytes(*size) as usize;
        let (block, after) = blocks.split_at_checked(size).ok_or_else(cut_short)?;
        at += append_block(block, out, at, limit)?;
        rest = after;
    }
    Ok(at)
}

fn cut_short() -> Unpack {
    Unpack::damaged("the framing is cut short")
}

fn append_block(block: &[u8], out: &mut Vec<u8>, at: usize, limit: usize) -> Result<usize, Unpack> {
    let n = snap::raw::decompress_len(block).map_err(Unpack::damaged)?;
    if n > block.len().saturating_mul(MAX_RATIO) {
        return Err(Unpack::damaged("a length that its bytes cannot make"));
    }
    if n > limit.saturating_sub(at) {
        return Err(Unpack::TooLarge);
    }
    make_room(out, at, n, limit);
    let place = out.get_mut(at..at + n).unwrap_or_default();
    snap::raw::Decoder::new()
        .decompress(block, place)
        .map_err(Unpack::damaged)
}

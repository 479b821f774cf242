//! Snappy. The Java client wraps raw blocks in the framing of the xerial library; librdkafka writes
//! one raw block. Both are read, also with framing headers repeated in mid-stream (rule 14).

use super::Unpack;

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

pub(super) fn decompress(data: &[u8], limit: usize) -> Result<Vec<u8>, Unpack> {
    let mut out = Vec::new();
    if !data.starts_with(MAGIC) {
        append_block(data, &mut out, limit)?;
        return Ok(out);
    }
    let mut rest = data;
    while !rest.is_empty() {
        if let Some(framed) = rest.strip_prefix(MAGIC) {
            rest = framed.get(VERSIONS.len()..).ok_or_else(cut_short)?;
            continue;
        }
        let (size, blocks) = rest.split_first_chunk().ok_or_else(cut_short)?;
        let size = u32::from_be_bytes(*size) as usize;
        let (block, after) = blocks.split_at_checked(size).ok_or_else(cut_short)?;
        append_block(block, &mut out, limit)?;
        rest = after;
    }
    Ok(out)
}

fn cut_short() -> Unpack {
    Unpack::damaged("the framing is cut short")
}

fn append_block(block: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), Unpack> {
    let n = snap::raw::decompress_len(block).map_err(Unpack::damaged)?;
    if n > block.len().saturating_mul(MAX_RATIO) {
        return Err(Unpack::damaged("a length that its bytes cannot make"));
    }
    let start = out.len();
    if n > limit.saturating_sub(start) {
        return Err(Unpack::TooLarge);
    }
    out.resize(start + n, 0);
    let place = out.get_mut(start..).unwrap_or_default();
    let written = snap::raw::Decoder::new()
        .decompress(block, place)
        .map_err(Unpack::damaged)?;
    out.truncate(start + written);
    Ok(())
}

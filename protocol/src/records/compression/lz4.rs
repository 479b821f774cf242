//! LZ4 frames. Java writes and reads only independent blocks of 64 KiB without block checksums.

use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use twox_hash::XxHash32;

use super::{Unpack, first_guess, read_all};

pub(super) fn compress(data: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let info = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, out);
    encoder.write_all(data).map_err(|e| e.to_string())?;
    encoder.finish().map(drop).map_err(|e| e.to_string())
}

pub(super) fn decompress(mut data: &[u8], limit: usize) -> Result<Vec<u8>, Unpack> {
    let mut out = Vec::with_capacity(first_guess(data.len(), limit));
    while !data.is_empty() {
        let mut decoder = FrameDecoder::new(data);
        read_all(&mut decoder, &mut out, limit)?;
        let rest = *decoder.get_ref();
        if rest.len() == data.len() {
            return Err(Unpack::damaged("no LZ4 frame"));
        }
        data = rest;
    }
    Ok(out)
}

/// Kafka wrote a wrong header checksum in format version 0, over the magic number too, and checks
/// none there. The frame with the right one instead; `None` when it has no whole header.
pub(super) fn mended(frame: &[u8]) -> Option<Vec<u8>> {
    const MAGIC: &[u8] = &0x184d_2204_u32.to_le_bytes();
    const CONTENT_SIZE: u8 = 1 << 3;
    const DICTIONARY_ID: u8 = 1;
    let flags = *frame.strip_prefix(MAGIC)?.first()?;
    let size = if flags & CONTENT_SIZE == 0 { 0 } else { 8 };
    let dictionary = if flags & DICTIONARY_ID == 0 { 0 } else { 4 };
    let at = 6 + size + dictionary;
    let checksum = (XxHash32::oneshot(0, frame.get(4..at)?) >> 8) as u8;
    let mut mended = frame.to_vec();
    *mended.get_mut(at)? = checksum;
    Some(mended)
}

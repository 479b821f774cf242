//! LZ4 frames. Java writes and reads only independent blocks of 64 KiB without block checksums.

use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

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

//! gzip, several members in a row included.

use std::io::Write;

use flate2::{Compression as Level, read::MultiGzDecoder, write::GzEncoder};

use super::{Unpack, first_guess, read_all};

pub(super) fn compress(data: &[u8], level: u32, out: &mut Vec<u8>) -> Result<(), String> {
    let mut encoder = GzEncoder::new(out, Level::new(level));
    encoder
        .write_all(data)
        .and_then(|()| encoder.try_finish())
        .map_err(|e| e.to_string())
}

pub(super) fn decompress(data: &[u8], limit: usize) -> Result<Vec<u8>, Unpack> {
    let mut out = Vec::with_capacity(first_guess(data.len(), limit));
    read_all(MultiGzDecoder::new(data), &mut out, limit)?;
    Ok(out)
}

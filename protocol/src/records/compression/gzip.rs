//! gzip, several members in a row included.

use std::io::{Read, Write};

use flate2::{Compression as Level, read::MultiGzDecoder, write::GzEncoder};

use super::{Unpack, make_room};

pub(super) fn compress(data: &[u8], level: u32, out: &mut Vec<u8>) -> Result<(), String> {
    let mut encoder = GzEncoder::new(out, Level::new(level));
    encoder
        .write_all(data)
        .and_then(|()| encoder.try_finish())
        .map_err(|e| e.to_string())
}

/// Says how much came out, into room that grows as far as needed.
pub(super) fn decompress(data: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<usize, Unpack> {
    let mut decoder = MultiGzDecoder::new(data);
    let mut at = 0;
    while at <= limit {
        make_room(out, at, 1, limit);
        let room = out.get_mut(at..).unwrap_or_default();
        match decoder.read(room).map_err(Unpack::damaged)? {
            0 => return Ok(at),
            n => at += n,
        }
    }
    Err(Unpack::TooLarge)
}

//! Google's Snappy, in the framing of the xerial library as the Java client writes it.

use super::Original;

const HEADER: &[u8] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// What xerial compresses at a time.
const CHUNK: usize = 32 * 1024;

pub(super) struct Snappy;

impl Original for Snappy {
    fn compress(&mut self, data: &[u8], out: &mut [u8]) -> usize {
        out[..HEADER.len()].copy_from_slice(HEADER);
        let mut at = HEADER.len();
        for chunk in data.chunks(CHUNK) {
            let (size, place) = out[at..].split_at_mut(4);
            let n = snappy_cpp::compress(chunk, place).expect("there is room");
            size.copy_from_slice(&(n as u32).to_be_bytes());
            at += 4 + n;
        }
        at
    }

    fn decompress(&mut self, data: &[u8], out: &mut [u8]) -> usize {
        let mut rest = data.strip_prefix(HEADER).expect("xerial's framing");
        let mut at = 0;
        while let Some((size, blocks)) = rest.split_first_chunk() {
            let (block, after) = blocks.split_at(u32::from_be_bytes(*size) as usize);
            at += snappy_cpp::decompress(block, &mut out[at..]).expect("it is sound");
            rest = after;
        }
        at
    }
}

//! Any bytes as compressed records; the first byte chooses the codec.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla_fuzz::bounded;
use ottla_protocol::records::{Compression, Decompressor};

const LIMIT: usize = 1 << 20;
/// What the tables and windows of the codecs take beside what they make.
const CODECS: u64 = 12 << 20;

fuzz_target!(|input: &[u8]| {
    let Some((codec, data)) = input.split_first() else {
        return;
    };
    let codec = Compression::ALL[usize::from(*codec) % Compression::ALL.len()];
    let data = Bytes::copy_from_slice(data);
    bounded(CODECS + 4 * LIMIT as u64, || unpack(codec, &data));
});

fn unpack(codec: Compression, data: &Bytes) {
    let mut decompressor = Decompressor::new(LIMIT);
    let first = decompressor.decompress(codec, data);
    let again = decompressor.decompress(codec, data);
    assert_eq!(first, again, "a decompressor remembers nothing");
    let Ok(unpacked) = first else { return };
    if codec == Compression::None {
        return;
    }
    assert!(unpacked.len() <= LIMIT);
    let exact = Decompressor::new(unpacked.len()).decompress(codec, data);
    assert_eq!(
        exact.as_ref(),
        Ok(&unpacked),
        "what is at the limit is within it"
    );
    if let Some(less) = unpacked.len().checked_sub(1) {
        let cut = Decompressor::new(less).decompress(codec, data);
        assert!(cut.is_err(), "what is past the limit is refused");
    }
}

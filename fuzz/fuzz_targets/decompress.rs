//! Any bytes as compressed records; the first byte chooses the codec.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla_fuzz::{LIMIT, measured, unpacking_takes};
use ottla_protocol::records::{Compression, Decompressor};

fuzz_target!(|input: &[u8]| {
    let Some((codec, data)) = input.split_first() else {
        return;
    };
    let codec = Compression::ALL[usize::from(*codec) % Compression::ALL.len()];
    unpack(codec, &Bytes::copy_from_slice(data));
});

fn unpack(codec: Compression, data: &Bytes) {
    let mut decompressor = Decompressor::new(LIMIT);
    let (first, peak) = measured(|| decompressor.decompress(codec, data));
    let size = first.as_ref().map_or(LIMIT, Bytes::len);
    let most = unpacking_takes(codec, data.len(), size);
    assert!(
        peak <= most,
        "{codec} took {peak} bytes for {size}, and {most} are allowed"
    );
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

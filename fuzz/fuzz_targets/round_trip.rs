//! Any message there is, written and read back; then its bytes bent and read again.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use ottla_fuzz::Choice;
use ottla_protocol::wire::any::Gen;

#[derive(Debug, Arbitrary)]
struct Input {
    seed: u64,
    api: u8,
    response: bool,
    version: u8,
    /// Where to bend the bytes, and by which bits.
    bends: Vec<(u16, u8)>,
}

fuzz_target!(|input: Input| {
    let choice = Choice::new(input.api, input.response, input.version);
    let message = (choice.codec.any)(&mut Gen::new(input.seed, choice.version));
    let written = choice
        .encode(&*message)
        .expect("a generated message fits its version");
    let (back, left) = choice
        .decode(&written)
        .expect("what was written can be read");
    assert_eq!(left, 0, "bytes are left over");
    assert_eq!(format!("{back:?}"), format!("{message:?}"));
    assert_eq!(
        choice.encode(&*back).expect("it was written before"),
        written
    );
    let bent = bend(&written, &input.bends);
    if let Ok((bent, _)) = choice.decode(&bent) {
        let _ = choice.encode(&*bent);
    }
});

fn bend(bytes: &[u8], bends: &[(u16, u8)]) -> Bytes {
    let mut bytes = bytes.to_vec();
    for (at, bits) in bends {
        let len = bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(usize::from(*at) % len) {
            *byte ^= bits;
        }
    }
    bytes.into()
}

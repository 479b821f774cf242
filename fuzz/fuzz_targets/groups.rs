//! Any bytes as what members of a group tell each other: the version in front, as on the wire. The
//! first byte chooses between what is subscribed to and what is assigned.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla_fuzz::Choice;

fuzz_target!(|input: &[u8]| {
    let Some(([kind, version @ ..], data)) = input.split_first_chunk::<3>() else {
        return;
    };
    let version = i16::from_be_bytes(*version);
    if version < 0 {
        return;
    }
    let choice = match kind & 1 {
        0 => Choice::subscription(version),
        _ => Choice::assignment(version),
    };
    choice.check(&Bytes::copy_from_slice(data));
});

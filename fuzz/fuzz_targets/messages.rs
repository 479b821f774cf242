//! Any bytes as any message: what decodes must be spelled one way only from then on.
//!
//! The first three bytes choose API, direction and version.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla_fuzz::Choice;

fuzz_target!(|input: &[u8]| {
    let Some(([api, direction, version], body)) = input.split_first_chunk() else {
        return;
    };
    let choice = Choice::new(*api, direction & 1 == 1, *version);
    choice.check(&Bytes::copy_from_slice(body));
});

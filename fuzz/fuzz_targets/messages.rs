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
    let Ok((message, _)) = choice.decode(&Bytes::copy_from_slice(body)) else {
        return;
    };
    // What came in may be spelled in more than one way: unknown tags, defaults written out, a bool
    // of 7. What goes out may not.
    let written = choice
        .encode(&*message)
        .expect("what was read can be written");
    let (again, left) = choice
        .decode(&written)
        .expect("what was written can be read");
    assert_eq!(left, 0, "bytes are left over");
    assert_eq!(format!("{again:?}"), format!("{message:?}"));
    assert_eq!(
        choice.encode(&*again).expect("it was written before"),
        written
    );
});

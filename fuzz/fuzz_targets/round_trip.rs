//! Any message there is, written, read back, and written again.

#![no_main]

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
}

fuzz_target!(|input: Input| {
    let choice = Choice::new(input.api, input.response, input.version);
    let message = (choice.codec.any)(&mut Gen::new(input.seed, choice.version));
    let written = choice
        .encode(&*message)
        .expect("a generated message fits its version");
    choice.same(&*message, &written);
});

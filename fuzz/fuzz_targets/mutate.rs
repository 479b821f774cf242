//! Any message there is, written, then edited at its joints and read: lengths that lie, items
//! repeated, values left out, put elsewhere, cut short.

#![no_main]

use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use ottla_fuzz::{Choice, Edit, edited};
use ottla_protocol::wire::any::Gen;

#[derive(Debug, Arbitrary)]
struct Input {
    api: u8,
    response: bool,
    version: u8,
    seed: u16,
    edits: Vec<Edit>,
}

fuzz_target!(|input: Input| {
    let choice = match input.api {
        254 => Choice::subscription(i16::from(input.version % 4)),
        255 => Choice::assignment(i16::from(input.version % 4)),
        api => Choice::new(api, input.response, input.version),
    };
    let message = (choice.codec.any)(&mut Gen::new(input.seed.into(), choice.version));
    let written = choice
        .encode(&*message)
        .expect("a generated message fits its version");
    choice.check(&edited(&choice, &written, &input.edits));
});

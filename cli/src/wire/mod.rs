//! `wire`: bytes of the protocol, made readable, for whoever holds a packet capture or the input
//! that a fuzzer found. Nothing here connects to anything.
//!
//! - [`apis`] knows the messages by name or key, and lists them.
//! - [`walk`] prints one message by its table, field by field, as far as its bytes go.
//! - [`message`] walks a whole one and says what is wrong with it; [`frames`] does so with all of
//!   a connection, in one direction.
//! - [`batches`] walks record batches, [`batch`] prints one.
//! - [`input`] reads bytes or their hexadecimal digits, [`hex`] knows those.
//!
//! What is in the bytes goes to standard output. What is wrong with them goes to standard error,
//! with the byte at which it is, and makes the exit code 1.

mod apis;
pub(crate) mod args;
mod batch;
mod batches;
mod decode;
mod frames;
mod hex;
mod input;
mod message;
mod report;
mod walk;

use crate::failure::Failure;

use args::WireCommand;

/// Runs `wire`.
pub(crate) fn run(command: &WireCommand) -> Result<(), Failure> {
    match command {
        WireCommand::Apis => apis::list(),
        WireCommand::Decode(args) => decode::run(args),
        WireCommand::Batches(args) => batches::run(args),
    }
}

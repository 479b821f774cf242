//! The built `ottla` command, run against a cluster in this process, or none.

mod consume;
mod demo;
mod failures;
mod habits;
mod produce;
mod support;
mod topics;
mod wire;

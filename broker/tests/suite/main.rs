//! The broker as its clients see it: raw frames through its pipes.

mod brokers;
mod client;
mod consuming;
mod control;
mod hostile;
mod offsets;
mod producing;
mod replication;
mod topics;
mod versions;

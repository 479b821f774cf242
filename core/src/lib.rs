//! What a Kafka client decides, as pure state machines. Time and randomness are arguments; there is
//! no socket, no clock and no runtime in here, so a test can script every moment.
//!
//! - [`connection`]: frames, correlation, order and deadlines of one broker connection.
//! - [`versions`]: what a broker speaks, and how that is found out.
//! - [`cluster`]: topology, leader epochs, and when to look again.
//! - [`producer`]: batches per partition, order, sequence numbers, retries.
//! - [`fetcher`]: positions, which broker to fetch from, and when.
//! - [`failure`]: why a request has no result.
//!
//! Common shape, no common trait: `handle_*` for what happened, `poll_*` for what to do, drained
//! after every call, and `poll_timeout` for when to come back.
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests start their own clock")
)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod backoff;
pub mod cluster;
pub mod connection;
pub mod failure;
pub mod fetcher;
pub mod producer;
mod ready;
pub mod routing;
mod timers;
pub mod versions;

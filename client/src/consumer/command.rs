//! What the application, or the opener, asks of the driver.

use ottla_core::fetcher::Start;

use super::assignment::{Incarnation, Key};

#[derive(Debug)]
pub(super) enum Command {
    Assign {
        key: Key,
        start: Start,
        incarnation: Incarnation,
        /// What it was when this was asked; a seek may have changed it since.
        number: u32,
    },
    Unassign(Key),
    Seek {
        key: Key,
        start: Start,
        incarnation: u32,
    },
    Pause(Key, bool),
    /// What was fetched from here on cannot be read: fetch it again, after a while.
    Retry {
        key: Key,
        start: Start,
        fetching: u32,
    },
}

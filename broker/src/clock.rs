//! The time of the cluster: the wall clock when it started, and tokio's from there on, so that
//! paused time goes for its logs, too.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Tells milliseconds since 1970.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_ms: i64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            started: Instant::now(),
            started_ms: since_1970.map_or(0, |d| d.as_millis() as i64),
        }
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        self.started_ms + self.started.elapsed().as_millis() as i64
    }
}

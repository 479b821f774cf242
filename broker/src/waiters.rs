//! The fetches that wait for something to happen to a partition.

use std::sync::{Arc, Weak};

use tokio::sync::Notify;

/// Those who wait. Each connection has one [`Notify`] and waits for one fetch at a time, so there
/// are at most as many as there are connections.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Vec<Weak<Notify>>);

impl Waiters {
    /// Wakes `who` when the partition next changes; waking once more than needed does no harm.
    pub(crate) fn add(&mut self, who: &Arc<Notify>) {
        self.0
            .retain(|w| w.strong_count() > 0 && w.as_ptr() != Arc::as_ptr(who));
        self.0.push(Arc::downgrade(who));
    }

    /// Wakes everybody.
    pub(crate) fn wake(&mut self) {
        for waiter in self.0.drain(..) {
            if let Some(waiter) = waiter.upgrade() {
                waiter.notify_one();
            }
        }
    }
}

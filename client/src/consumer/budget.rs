//! The one budget of a consumer: what was fetched and not taken by the application yet, in bytes.
//!
//! Charges are guards: whatever becomes of a batch, its charge ends with it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// What each queued batch or error is charged beside its bytes: the queue's own memory for it.
pub(super) const ENTRY: usize = 512;
/// What an error is charged for, so that errors do not pile up either.
pub(super) const ERROR: usize = 1024;

/// `queued.max.messages.kbytes`: frames as they were fetched, and batches as they were opened.
#[derive(Debug)]
pub(super) struct Budget {
    /// Everything that is charged.
    bytes: AtomicUsize,
    /// Of that, what the opener charged and the application has not taken.
    opened: AtomicUsize,
    limit: usize,
    /// The driver may fetch again.
    pub(super) room: Notify,
    /// The opener may go on.
    pub(super) taken: Notify,
}

/// A part of the budget, given back when this is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
    opened: bool,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicUsize::new(0),
            opened: AtomicUsize::new(0),
            limit,
            room: Notify::new(),
            taken: Notify::new(),
        })
    }

    /// Charges for a frame, which all batches that lie in it keep alive together.
    pub(super) fn charge_frame(self: &Arc<Self>, bytes: usize) -> Arc<Charge> {
        Arc::new(self.charge(bytes, false))
    }

    /// Charges for what the application is to take.
    pub(super) fn charge_opened(self: &Arc<Self>, bytes: usize) -> Charge {
        self.charge(bytes, true)
    }

    fn charge(self: &Arc<Self>, bytes: usize, opened: bool) -> Charge {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if opened {
            self.opened.fetch_add(bytes, Ordering::Relaxed);
        }
        Charge {
            budget: self.clone(),
            bytes,
            opened,
        }
    }

    /// Whether more may be fetched.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) < self.limit
    }

    /// Whether the next batch may be opened: while there is room, and always when the application has
    /// taken all before, or a frame larger than the budget would never be opened.
    pub(super) fn may_open(&self) -> bool {
        self.has_room() || self.opened.load(Ordering::Relaxed) == 0
    }

    /// What is charged now.
    pub(super) fn charged(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let Self {
            budget,
            bytes,
            opened,
        } = self;
        if *opened {
            budget.opened.fetch_sub(*bytes, Ordering::Relaxed);
        }
        let before = budget.bytes.fetch_sub(*bytes, Ordering::Relaxed);
        if before >= budget.limit && before - *bytes < budget.limit {
            budget.room.notify_one();
        }
        budget.taken.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_is_given_back_with_its_owner() {
        let budget = Budget::new(100);
        let frame = budget.charge_frame(60);
        let (first, second) = (frame.clone(), frame);
        let opened = budget.charge_opened(50);
        assert!(!budget.has_room());
        drop(first);
        assert_eq!(budget.charged(), 110, "a batch lies in the frame yet");
        drop(second);
        assert!(budget.has_room());
        drop(opened);
        assert_eq!(budget.charged(), 0);
    }

    #[test]
    fn a_frame_larger_than_the_budget_is_opened_batch_by_batch() {
        let budget = Budget::new(100);
        let _frame = budget.charge_frame(1000);
        assert!(budget.may_open());
        let opened = budget.charge_opened(10);
        assert!(!budget.may_open());
        drop(opened);
        assert!(budget.may_open());
    }
}

//! Where the randomness of jitter and of spreading load comes from.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Gives out seeds. They differ between processes and between uses, unless the first of them was
/// given: then every run that asks in the same order gets the same ones. Clones share the order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seeds(Option<Arc<AtomicU64>>);

impl Seeds {
    /// The same seeds in every run.
    pub(crate) fn from(first: u64) -> Self {
        Self(Some(Arc::new(AtomicU64::new(first))))
    }

    /// The seed that comes next, which stays the next.
    pub(crate) fn peek(&self) -> u64 {
        match &self.0 {
            Some(next) => next.load(Ordering::Relaxed),
            None => self.next(),
        }
    }

    /// Another seed.
    pub(crate) fn next(&self) -> u64 {
        match &self.0 {
            Some(next) => next.fetch_add(1, Ordering::Relaxed),
            None => RandomState::new().hash_one(0),
        }
    }
}

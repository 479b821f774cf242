//! Which broker coordinates which group, transactional id or share group, as far as it was looked up.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ottla_core::routing::CoordinatorType;

/// So many are remembered. Beyond that all are forgotten, and looked up again when they are needed.
const MAX: usize = 10_000;

type Key = (CoordinatorType, Arc<str>);

/// The coordinators that were found.
#[derive(Debug, Default)]
pub(crate) struct Coordinators(Mutex<HashMap<Key, i32>>);

impl Coordinators {
    pub(crate) fn get(&self, kind: CoordinatorType, key: &Arc<str>) -> Option<i32> {
        self.all().get(&(kind, key.clone())).copied()
    }

    pub(crate) fn insert(&self, kind: CoordinatorType, key: Arc<str>, broker: i32) {
        let mut all = self.all();
        if all.len() >= MAX {
            all.clear();
        }
        all.insert((kind, key), broker);
    }

    pub(crate) fn remove(&self, kind: CoordinatorType, key: &Arc<str>) {
        self.all().remove(&(kind, key.clone()));
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Key, i32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

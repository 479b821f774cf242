//! The topics that are asked for, and when each was last used.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

/// Topics by name, with the time of their last use.
#[derive(Debug, Default)]
pub(super) struct Wanted(BTreeMap<Arc<str>, Instant>);

impl Wanted {
    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.keys()
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A topic is used now. True when it was not wanted before.
    pub(super) fn add(&mut self, now: Instant, name: Arc<str>) -> bool {
        self.0.insert(name, now).is_none()
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Takes out the topics that were not used for so long. A leased topic is in use.
    pub(super) fn expire(
        &mut self,
        now: Instant,
        max_idle: Duration,
        is_leased: impl Fn(&str) -> bool,
    ) -> BTreeSet<Arc<str>> {
        let mut idle = BTreeSet::new();
        self.0.retain(|name, used| {
            if is_leased(name) {
                *used = now;
            }
            let keeps = *used + max_idle > now;
            if !keeps {
                idle.insert(name.clone());
            }
            keeps
        });
        idle
    }
}

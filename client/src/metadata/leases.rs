//! Which topics are in use: as long as one lease of a topic lives, metadata is kept for it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

type Counts = HashMap<Arc<str>, usize>;

/// The leases of a client, by topic.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leases(Arc<Mutex<Counts>>);

/// Keeps a topic in use. Dropping it ends the use; `metadata.max.idle.ms` after the last one ended, the
/// topic is forgotten.
#[derive(Debug)]
pub(crate) struct TopicLease {
    topic: Arc<str>,
    leases: Leases,
}

impl Leases {
    pub(super) fn take(&self, topic: &Arc<str>) -> TopicLease {
        *self.lock().entry(topic.clone()).or_default() += 1;
        TopicLease {
            topic: topic.clone(),
            leases: self.clone(),
        }
    }

    pub(super) fn is_leased(&self, topic: &str) -> bool {
        self.lock().contains_key(topic)
    }

    /// The topics that have leases.
    pub(super) fn topics(&self) -> Vec<Arc<str>> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TopicLease {
    fn drop(&mut self) {
        let mut counts = self.leases.lock();
        if let Some(count) = counts.get_mut(&self.topic) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.topic);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_leased_until_its_last_lease_ends() {
        let leases = Leases::default();
        let topic = "t".into();
        let (first, second) = (leases.take(&topic), leases.take(&topic));
        drop(first);
        assert!(leases.is_leased("t"));
        drop(second);
        assert!(!leases.is_leased("t") && leases.topics().is_empty());
    }
}

//! What groups have committed.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// The committed offsets of every group.
#[derive(Debug, Default)]
pub(crate) struct Groups(HashMap<Arc<str>, Offsets>);

/// The committed offsets of one group, by topic and partition.
pub(crate) type Offsets = BTreeMap<Arc<str>, BTreeMap<i32, Committed>>;

/// How far a group has read a partition.
#[derive(Debug, Clone)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: Arc<str>,
}

impl Groups {
    pub(crate) fn offsets(&self, group: &str) -> Option<&Offsets> {
        self.0.get(group)
    }

    pub(crate) fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<&Committed> {
        self.0.get(group)?.get(topic)?.get(&partition)
    }

    pub(crate) fn commit(
        &mut self,
        group: &Arc<str>,
        topic: Arc<str>,
        partition: i32,
        at: Committed,
    ) {
        let offsets = self.0.entry(group.clone()).or_default();
        offsets.entry(topic).or_default().insert(partition, at);
    }

    /// Forgets a topic that was deleted.
    pub(crate) fn forget_topic(&mut self, topic: &str) {
        self.0.retain(|_, offsets| {
            offsets.remove(topic);
            !offsets.is_empty()
        });
    }
}

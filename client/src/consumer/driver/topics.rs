//! Which partitions are assigned, by topic, and what a newer topology means for them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use ottla_core::{
    cluster::{Topic, Topology, UNKNOWN_TOPIC_ANSWERS},
    fetcher::Slot,
};
use ottla_protocol::ErrorCode;
use uuid::Uuid;

use crate::{
    consumer::assignment::{Incarnation, Key},
    metadata::{Metadata, TopicLease},
};

#[derive(Debug, Default)]
pub(super) struct Topics(HashMap<Arc<str>, Known>);

/// A partition that is assigned.
#[derive(Debug)]
pub(super) struct Assigned {
    pub(super) slot: Slot,
    pub(super) incarnation: Incarnation,
    /// The attempt and offset at which the application was told of the end.
    pub(super) told_end: Option<(u32, i64)>,
    /// The high watermark that a broker said last, where ends are told.
    pub(super) high_watermark: Option<i64>,
}

#[derive(Debug)]
struct Known {
    /// Tells a topic that was deleted and created again from the old one.
    id: Uuid,
    /// As it was when it was last looked at.
    topic: Option<Arc<Topic>>,
    /// The application was told that the topic is gone.
    told_gone: bool,
    partitions: BTreeMap<i32, Assigned>,
    /// Metadata is kept for the topic as long as a partition of it is assigned.
    _lease: TopicLease,
}

/// What a newer topology says of the assigned partitions.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) recreated: Vec<Slot>,
    pub(super) moved: Vec<Slot>,
    pub(super) gone: Vec<(Key, ErrorCode)>,
}

impl Topics {
    pub(super) fn add(
        &mut self,
        key: Key,
        assigned: Assigned,
        topology: &Topology,
        metadata: &Metadata,
    ) {
        let (topic, partition) = key;
        let known = self.0.entry(topic).or_insert_with_key(|name| {
            let topic = topology.topic(name).cloned();
            Known {
                id: topic.as_ref().map_or(Uuid::nil(), |topic| topic.id),
                topic,
                told_gone: false,
                partitions: BTreeMap::new(),
                _lease: metadata.lease(name),
            }
        });
        known.partitions.insert(partition, assigned);
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Assigned> {
        let known = self.0.get_mut(&key.0)?;
        let assigned = known.partitions.remove(&key.1);
        if known.partitions.is_empty() {
            self.0.remove(&key.0);
        }
        assigned
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Assigned> {
        self.0.get(&key.0)?.partitions.get(&key.1)
    }

    pub(super) fn set_high_watermark(&mut self, key: &Key, high_watermark: i64) {
        let known = self.0.get_mut(&key.0);
        if let Some(assigned) = known.and_then(|known| known.partitions.get_mut(&key.1)) {
            assigned.high_watermark = Some(high_watermark);
        }
    }

    /// Notes that an attempt has come to the end; false where that was noted before.
    pub(super) fn reaches_end(&mut self, key: &Key, end: (u32, i64)) -> bool {
        let known = self.0.get_mut(&key.0);
        let assigned = known.and_then(|known| known.partitions.get_mut(&key.1));
        assigned.is_some_and(|assigned| assigned.told_end.replace(end) != Some(end))
    }

    /// Takes a newer topology in. Costs what the topics cost that it changed.
    pub(super) fn update(&mut self, topology: &Topology) -> Changes {
        let mut changes = Changes::default();
        for (name, known) in &mut self.0 {
            known.update(topology.topic(name), &mut changes);
            let error = topology.errors.get(name);
            let error = error.filter(|e| e.times >= UNKNOWN_TOPIC_ANSWERS);
            if let Some(error) = error.filter(|_| !known.told_gone) {
                let keys = known.partitions.keys().map(|n| (name.clone(), *n));
                changes.gone.extend(keys.map(|key| (key, error.code)));
            }
            known.told_gone = error.is_some();
        }
        changes
    }
}

impl Known {
    fn update(&mut self, newer: Option<&Arc<Topic>>, changes: &mut Changes) {
        // Without an answer about it the topic stays as it was known.
        let Some(newer) = newer else { return };
        let same = self
            .topic
            .as_ref()
            .is_some_and(|old| Arc::ptr_eq(old, newer));
        if same {
            return;
        }
        let leader = |topic: Option<&Arc<Topic>>, n: i32| {
            topic.and_then(|t| t.partition(n)).map(|p| p.leader)
        };
        let moved = self
            .partitions
            .iter()
            .filter(|(n, _)| leader(self.topic.as_ref(), **n) != leader(Some(newer), **n));
        changes
            .moved
            .extend(moved.map(|(_, assigned)| assigned.slot));
        // Brokers without topic ids answer with zero, which undoes no id (rule 17).
        if !newer.id.is_nil() && newer.id != self.id {
            if !self.id.is_nil() {
                tracing::warn!(topic = %newer.name, "the topic was deleted and created again");
                let slots = self.partitions.values().map(|assigned| assigned.slot);
                changes.recreated.extend(slots);
            }
            self.id = newer.id;
        }
        self.topic = Some(newer.clone());
    }
}

//! The topics that a sender has batches of: their ids, and the machine's slots of their partitions.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ottla_core::{
    cluster::{Topic, Topology},
    producer::Slot,
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::metadata::{Metadata, TopicLease};

#[derive(Debug, Default)]
pub(super) struct KnownTopics {
    topics: HashMap<Arc<str>, Known>,
}

#[derive(Debug)]
struct Known {
    /// Tells a topic that was deleted and created again from the old one.
    id: Uuid,
    /// As it was when it was last looked at.
    topic: Option<Arc<Topic>>,
    slots: Vec<Option<Slot>>,
    /// Metadata is kept for the topic while batches of it come.
    lease: Option<TopicLease>,
    /// Batches wait for the topic to be known again: it may be created meanwhile.
    awaited: Option<TopicLease>,
    used: Instant,
}

/// What a newer topology says of the topics.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Topics that were deleted and created again.
    pub(super) recreated: Vec<Arc<str>>,
    /// Partitions that have another leader.
    pub(super) moved: Vec<Slot>,
}

impl KnownTopics {
    /// The slot of a partition that batches were taken of.
    pub(super) fn slot(&self, topic: &str, partition: i32) -> Option<Slot> {
        let at = usize::try_from(partition).ok()?;
        self.topics.get(topic)?.slots.get(at).copied().flatten()
    }

    /// The slot of a partition; `new` makes one for a partition that has none yet.
    pub(super) fn slot_or(
        &mut self,
        topic: &Arc<str>,
        at: usize,
        topology: &Topology,
        metadata: &Metadata,
        new: impl FnOnce() -> Slot,
    ) -> Slot {
        if !self.topics.contains_key(topic) {
            let known = Known::new(topology.topic(topic).cloned());
            self.topics.insert(topic.clone(), known);
        }
        let Some(known) = self.topics.get_mut(topic) else {
            return new();
        };
        known.used = Instant::now();
        known.lease.get_or_insert_with(|| metadata.lease(topic));
        if known.slots.len() <= at {
            known.slots.resize(at + 1, None);
        }
        let Some(place) = known.slots.get_mut(at) else {
            return new();
        };
        *place.get_or_insert_with(new)
    }

    /// Batches of a topic cannot be sent by what is known of it.
    pub(super) fn await_topic(&mut self, topic: &Arc<str>, metadata: &Metadata) {
        if let Some(known) = self.topics.get_mut(topic) {
            known
                .awaited
                .get_or_insert_with(|| metadata.await_topic(topic));
        }
    }

    /// Takes a newer topology in, and ends the leases of topics that had no batch for `max_idle`. A topic
    /// whose batches still wait is in use: forgotten, it would seem not to exist.
    pub(super) fn update(
        &mut self,
        topology: &Topology,
        max_idle: Duration,
        is_idle: impl Fn(Slot) -> bool,
    ) -> Changes {
        let mut changes = Changes::default();
        let now = Instant::now();
        for (name, known) in &mut self.topics {
            let is_leased = known.lease.is_some() || known.awaited.is_some();
            if is_leased && known.used + max_idle <= now && known.has_batches(&is_idle) {
                known.used = now;
            }
            let is_unused = known.used + max_idle <= now;
            let is_there = topology.topic(name).is_some() && !topology.errors.contains_key(name);
            known.lease.take_if(|_| is_unused);
            known.awaited.take_if(|_| is_there || is_unused);
            known.update(name, topology.topic(name), &mut changes);
        }
        changes
    }
}

impl Known {
    fn new(topic: Option<Arc<Topic>>) -> Self {
        Self {
            id: topic.as_ref().map_or(Uuid::nil(), |topic| topic.id),
            topic,
            slots: Vec::new(),
            lease: None,
            awaited: None,
            used: Instant::now(),
        }
    }

    fn has_batches(&self, is_idle: impl Fn(Slot) -> bool) -> bool {
        self.slots.iter().flatten().any(|slot| !is_idle(*slot))
    }

    fn update(&mut self, name: &Arc<str>, newer: Option<&Arc<Topic>>, changes: &mut Changes) {
        let same = match (&self.topic, newer) {
            (Some(old), Some(newer)) => Arc::ptr_eq(old, newer),
            (None, None) => true,
            _ => false,
        };
        if same {
            return;
        }
        let leader = |topic: Option<&Arc<Topic>>, at: usize| {
            topic.and_then(|t| t.partitions.get(at)).map(|p| p.leader)
        };
        for (at, slot) in self.slots.iter().enumerate() {
            let moved = leader(self.topic.as_ref(), at) != leader(newer, at);
            changes.moved.extend(slot.filter(|_| moved));
        }
        // Brokers without topic ids answer with zero, which undoes no id (rule 17).
        let id = newer.map_or(Uuid::nil(), |topic| topic.id);
        if !id.is_nil() && id != self.id {
            if !self.id.is_nil() {
                changes.recreated.push(name.clone());
            }
            self.id = id;
        }
        self.topic = newer.cloned();
    }
}

//! Topology and leader epochs, and when to look again.
//!
//! The machine turns metadata answers into [`Topology`] snapshots. It does not believe everything: a
//! leader epoch does not go backwards (rule 15), a missing topic may be a stale broker's (rule 16),
//! and a topic whose id changed is another topic of the same name (rule 17).

mod topology;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use ottla_protocol::{
    ErrorCode,
    messages::{MetadataPartition, MetadataResponse, MetadataTopic},
};

pub use topology::{Broker, Partition, Topic, TopicError, Topology};

use crate::backoff::{Attempts, Backoff};

/// After so many answers in a row with an older leader epoch it is believed: an unclean election
/// can set it back (rule 15).
const REWINDS_BELIEVED: u32 = 5;

/// After so many answers in a row that a topic does not exist, it does not: a topic just made may be
/// unknown to a broker for a moment. It is then asked for no more, unless somebody wants it again.
pub const UNKNOWN_TOPIC_ANSWERS: u32 = 4;

/// No partition number beyond this is believed, so that an answer cannot make a topic of 2 billion.
const MAX_PARTITIONS: i32 = 1_000_000;

/// The machine; see the [module](self).
#[derive(Debug)]
pub struct Cluster {
    topology: Arc<Topology>,
    /// The topics somebody uses; asked for again and again.
    wanted: BTreeSet<Arc<str>>,
    rewinds: HashMap<(Arc<str>, i32), u32>,
    refresh: Refresh,
    max_age: Duration,
    backoff: Backoff,
    attempts: Attempts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refresh {
    Due(Instant),
    /// Somebody waits for it, but not before this time.
    Wanted(Instant),
    Asked {
        again: bool,
    },
}

impl Cluster {
    /// Nothing is known, and the first refresh is due at once. `max_age` is `metadata.max.age.ms`;
    /// `backoff` is `retry.backoff.ms` and its maximum.
    #[must_use]
    pub fn new(now: Instant, max_age: Duration, backoff: Backoff, seed: u64) -> Self {
        Self {
            topology: Arc::new(Topology {
                controller_id: -1,
                ..Topology::default()
            }),
            wanted: BTreeSet::new(),
            rewinds: HashMap::new(),
            refresh: Refresh::Wanted(now),
            max_age,
            backoff,
            attempts: Attempts::new(seed),
        }
    }

    /// What is known now.
    #[must_use]
    pub const fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// The topics that are asked for.
    #[must_use]
    pub const fn wanted(&self) -> &BTreeSet<Arc<str>> {
        &self.wanted
    }

    /// Somebody uses a topic: it is asked for from now on, at once if it is not known.
    pub fn handle_interest(&mut self, now: Instant, topic: Arc<str>) {
        let known = self.topology.topics.contains_key(&topic);
        if !known && !self.wanted.contains(&topic) && self.topology.errors.contains_key(&topic) {
            // What was said of it before was said for others.
            let mut next = Topology::clone(&self.topology);
            next.errors.remove(&topic);
            self.topology = Arc::new(next);
        }
        if self.wanted.insert(topic) || !known {
            self.handle_stale(now);
        }
    }

    /// Something turned out to be wrong: look again soon.
    pub fn handle_stale(&mut self, now: Instant) {
        match &mut self.refresh {
            Refresh::Asked { again } => *again = true,
            Refresh::Wanted(_) => {}
            Refresh::Due(at) if *at <= now => {}
            Refresh::Due(_) => self.refresh = Refresh::Wanted(now + self.pause()),
        }
    }

    /// True when metadata is to be asked for now. One request is out at a time: answer it with
    /// [`handle_metadata`](Self::handle_metadata) or [`handle_failed`](Self::handle_failed).
    pub fn poll_refresh(&mut self, now: Instant) -> bool {
        let (Refresh::Due(at) | Refresh::Wanted(at)) = self.refresh else {
            return false;
        };
        if at > now {
            return false;
        }
        self.refresh = Refresh::Asked { again: false };
        true
    }

    /// When [`poll_refresh`](Self::poll_refresh) will next say yes.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        match self.refresh {
            Refresh::Due(at) | Refresh::Wanted(at) => Some(at),
            Refresh::Asked { .. } => None,
        }
    }

    /// No broker answered.
    pub fn handle_failed(&mut self, now: Instant) {
        self.refresh = Refresh::Wanted(now + self.attempts.delay(&self.backoff));
    }

    /// A broker answered.
    pub fn handle_metadata(&mut self, now: Instant, response: &MetadataResponse) {
        let mut next = Topology::clone(&self.topology);
        next.generation += 1;
        next.cluster_id = response.cluster_id.clone().or(next.cluster_id);
        next.controller_id = response.controller_id;
        if !response.brokers.is_empty() {
            next.brokers = response.brokers.iter().filter_map(broker).collect();
        }
        for topic in &response.topics {
            self.take_topic(&mut next, topic);
        }
        self.topology = Arc::new(next);
        self.schedule(now);
    }

    /// Whether something that is wanted is still missing decides how soon to look again.
    fn schedule(&mut self, now: Instant) {
        let again = matches!(self.refresh, Refresh::Asked { again: true });
        self.refresh = if self.is_incomplete() {
            Refresh::Wanted(now + self.attempts.delay(&self.backoff))
        } else if again {
            self.attempts.reset();
            Refresh::Wanted(now + self.pause())
        } else {
            self.attempts.reset();
            Refresh::Due(now + self.max_age)
        };
    }

    fn is_incomplete(&self) -> bool {
        self.wanted
            .iter()
            .any(|name| match self.topology.topic(name) {
                None => true,
                Some(topic) => topic.partitions.iter().any(|p| p.leader < 0),
            })
    }

    fn pause(&self) -> Duration {
        self.backoff.first
    }

    fn take_topic(&mut self, next: &mut Topology, topic: &MetadataTopic) {
        let Some(name) = topic.name.clone().filter(|name| !name.is_empty()) else {
            return;
        };
        if !topic.error_code.is_ok() {
            let times = next.errors.get(&name).map_or(0, |e| e.times) + 1;
            if times >= UNKNOWN_TOPIC_ANSWERS && !next.topics.contains_key(&name) {
                self.wanted.remove(&name);
            }
            next.errors.insert(
                name,
                TopicError {
                    code: topic.error_code,
                    times,
                },
            );
            return;
        }
        next.errors.remove(&name);
        let old = next.topics.get(&name).cloned();
        // Brokers that do not know ids yet answer with zero; that does not undo an id (rule 17).
        let old = old
            .filter(|old| old.id == topic.topic_id || topic.topic_id.is_nil() || old.id.is_nil());
        let id = match &old {
            Some(old) if topic.topic_id.is_nil() => old.id,
            _ => topic.topic_id,
        };
        let mut partitions = Vec::new();
        for p in topic
            .partitions
            .iter()
            .filter(|p| (0..MAX_PARTITIONS).contains(&p.partition_index))
        {
            let at = p.partition_index as usize;
            if partitions.len() <= at && at <= topic.partitions.len() {
                partitions.resize_with(at + 1, Partition::default);
            }
            let before = old
                .as_ref()
                .and_then(|old| old.partition(p.partition_index));
            let merged = self.merge(&name, before, p);
            if let Some(place) = partitions.get_mut(at) {
                *place = merged;
            }
        }
        // A topic loses none of its partitions: an answer without them is an older one (rule 16).
        let same = old.filter(|old| !id.is_nil() && old.id == topic.topic_id);
        let further = same.iter().flat_map(|old| &old.partitions);
        partitions.extend(further.skip(partitions.len()).cloned());
        if !id.is_nil() {
            next.ids.insert(id, name.clone());
        }
        let topic = Topic {
            name: name.clone(),
            id,
            internal: topic.is_internal,
            partitions,
        };
        next.topics.insert(name, Arc::new(topic));
    }

    /// A partition as an answer has it, or as it was before where the answer is older.
    fn merge(
        &mut self,
        topic: &Arc<str>,
        old: Option<&Partition>,
        new: &MetadataPartition,
    ) -> Partition {
        let fresh = Partition {
            leader: new.leader_id,
            leader_epoch: new.leader_epoch,
            replicas: new.replica_nodes.clone(),
            isr: new.isr_nodes.clone(),
            offline: new.offline_replicas.clone(),
            error: new.error_code,
        };
        let Some(old) = old else { return fresh };
        // An epoch of -1 is "no leader" or an old broker; taking it would turn fencing off.
        if fresh.leader_epoch < 0 && old.leader_epoch >= 0 {
            return Partition {
                leader_epoch: old.leader_epoch,
                ..fresh
            };
        }
        let key = (topic.clone(), new.partition_index);
        if fresh.leader_epoch >= old.leader_epoch {
            self.rewinds.remove(&key);
            return fresh;
        }
        let rewinds = self.rewinds.entry(key).or_default();
        *rewinds += 1;
        if *rewinds < REWINDS_BELIEVED {
            old.clone()
        } else {
            fresh
        }
    }

    /// A broker said in passing who leads a partition now (KIP-951). Believed only where it is news
    /// and the leader's address is known (rule 18); true when it was.
    pub fn handle_leader_hint(
        &mut self,
        topic: &str,
        partition: i32,
        leader: i32,
        epoch: i32,
        endpoint: Option<Broker>,
    ) -> bool {
        let Some(old) = self.topology.topic(topic) else {
            return false;
        };
        let Some(known) = old.partition(partition) else {
            return false;
        };
        let news =
            epoch > known.leader_epoch || (epoch == known.leader_epoch && leader != known.leader);
        if !news || leader < 0 {
            return false;
        }
        let mut next = Topology::clone(&self.topology);
        if let Some(broker) = endpoint {
            next.brokers.insert(broker.id, Arc::new(broker));
        }
        if !next.brokers.contains_key(&leader) {
            return false;
        }
        let mut changed = Topic::clone(old);
        if let Some(p) = changed.partitions.get_mut(partition as usize) {
            *p = Partition {
                leader,
                leader_epoch: epoch,
                error: ErrorCode::NONE,
                ..p.clone()
            };
        }
        next.generation += 1;
        next.topics.insert(changed.name.clone(), Arc::new(changed));
        self.topology = Arc::new(next);
        true
    }
}

fn broker(b: &ottla_protocol::messages::MetadataBroker) -> Option<(i32, Arc<Broker>)> {
    let port = u16::try_from(b.port).ok()?;
    let broker = Broker {
        id: b.node_id,
        host: b.host.clone(),
        port,
        rack: b.rack.clone(),
    };
    Some((b.node_id, Arc::new(broker)))
}

#[cfg(test)]
mod tests;

//! What all brokers of a cluster share.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use ottla_protocol::messages::NodeEndpoint;
use uuid::Uuid;

use crate::{
    brokers::{Broker, Brokers},
    clock::Clock,
    control::Hooks,
    fetch_sessions::FetchSessions,
    groups::Groups,
    settings::Settings,
    topics::Topics,
};

/// What the cluster calls itself (`cluster.id`): a UUID in Kafka's spelling.
const CLUSTER_ID: &str = "b3R0bGEtYnJva2VyLTAwMQ";

/// What the tasks of a cluster share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) cluster_id: String,
    pub(crate) clock: Clock,
    pub(crate) hooks: Hooks,
    state: Mutex<State>,
}

/// What changes. It is behind one lock, never held across an await.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) brokers: Brokers,
    pub(crate) topics: Topics,
    pub(crate) groups: Groups,
    pub(crate) fetch_sessions: FetchSessions,
    /// By group, the broker that coordinates it while it runs, where somebody said so.
    pub(crate) coordinators: HashMap<String, i32>,
    /// Ids that were given out: of topics, and of producers.
    topic_ids: u64,
    producer_ids: i64,
    /// When the logs were last held against their limits.
    retained_ms: i64,
}

impl Shared {
    pub(crate) fn new(settings: Settings, cluster_id: Option<String>) -> Self {
        let clock = Clock::new();
        // Clusters with ids of their own have other topic ids too, as real ones have.
        let topic_ids = cluster_id.iter().flat_map(|id| id.bytes());
        let topic_ids = topic_ids.fold(0, |ids: u64, byte| {
            (ids << 8).rotate_left(5) ^ u64::from(byte)
        });
        let retained_ms = clock.now_ms();
        Self {
            settings,
            cluster_id: cluster_id.unwrap_or_else(|| CLUSTER_ID.to_owned()),
            clock,
            hooks: Hooks::default(),
            state: Mutex::new(State {
                retained_ms,
                topic_ids: topic_ids & (u64::MAX >> 1),
                ..State::default()
            }),
        }
    }

    /// The state, once nobody else has it. What a panicking test left behind is still whole.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, after old records and forgotten producers were removed from its logs, which
    /// happens as often as `log.retention.check.interval.ms` says, when somebody looks.
    pub(crate) fn retained_state(&self) -> MutexGuard<'_, State> {
        let (mut state, now_ms) = (self.state(), self.clock.now_ms());
        if now_ms - state.retained_ms >= self.settings.retention_check_interval_ms {
            state.retained_ms = now_ms;
            state.retain(self.settings.producer_id_expiration_ms, now_ms);
        }
        state
    }
}

impl State {
    fn retain(&mut self, producer_expiration_ms: i64, now_ms: i64) {
        for topic in self.topics.iter_mut() {
            for partition in &mut topic.partitions {
                partition.log.retain(&topic.config, now_ms);
                partition.replicas.expire(producer_expiration_ms, now_ms);
            }
        }
    }

    /// Deletes a topic, and what was committed for it.
    pub(crate) fn delete_topic(&mut self, name: &str) -> Option<()> {
        self.topics.remove(name)?;
        self.groups.forget_topic(name);
        Some(())
    }

    /// The brokers that run, by id.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Broker> {
        self.brokers.values().filter(|b| b.is_running())
    }

    /// Where these brokers live, each once; -1 and strangers nowhere.
    pub(crate) fn endpoints(&self, ids: impl IntoIterator<Item = i32>) -> Vec<NodeEndpoint> {
        let mut ids: Vec<_> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        let brokers = ids.iter().filter_map(|id| self.brokers.get(id));
        brokers.map(Broker::endpoint).collect()
    }

    /// The broker that coordinates a group or a transaction: the same one as long as it runs, unless
    /// it was moved.
    pub(crate) fn coordinator(&self, key: &str) -> Option<&Broker> {
        let chosen = self
            .coordinators
            .get(key)
            .and_then(|id| self.brokers.get(id));
        if let Some(chosen) = chosen.filter(|b| b.is_running()) {
            return Some(chosen);
        }
        let hash = key
            .bytes()
            .fold(0u32, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
        let count = self.brokers.len();
        let first = hash as usize % count.max(1);
        let round = self.brokers.values().cycle().skip(first).take(count);
        round.into_iter().find(|b| b.is_running())
    }

    /// An id for a new topic. The same ids come in every run, so that a failure can be repeated.
    pub(crate) fn next_topic_id(&mut self) -> Uuid {
        self.topic_ids += 1;
        let bits =
            u128::from(self.topic_ids).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }

    /// An id for a new producer.
    pub(crate) fn next_producer_id(&mut self) -> i64 {
        self.producer_ids += 1;
        self.producer_ids
    }
}

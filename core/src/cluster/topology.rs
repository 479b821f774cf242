//! What is known of the cluster, as a value that does not change.

use std::{collections::HashMap, sync::Arc};

use ottla_protocol::ErrorCode;
use uuid::Uuid;

/// What is known of the cluster at one moment. Cheap to share and to replace.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// Grows with every change.
    pub generation: u64,
    /// The cluster's id, once a broker said it.
    pub cluster_id: Option<Arc<str>>,
    /// The controller, or a broker that passes on what is meant for it; -1 when not known.
    pub controller_id: i32,
    /// Brokers by node id.
    pub brokers: HashMap<i32, Arc<Broker>>,
    /// Topics by name.
    pub topics: HashMap<Arc<str>, Arc<Topic>>,
    /// The names of topic ids.
    pub ids: HashMap<Uuid, Arc<str>>,
    /// Topics a broker answered with an error, and how often in a row.
    pub errors: HashMap<Arc<str>, TopicError>,
}

/// A broker and where it lives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Broker {
    /// Its node id.
    pub id: i32,
    /// The host it is advertised under.
    pub host: Arc<str>,
    /// The port it is advertised under.
    pub port: u16,
    /// Its rack (`broker.rack`).
    pub rack: Option<Arc<str>>,
}

/// A topic and its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id; zero where brokers are too old to have them (KIP-516).
    pub id: Uuid,
    /// Whether it belongs to Kafka itself.
    pub internal: bool,
    /// Its partitions by number.
    pub partitions: Vec<Partition>,
}

/// A partition and who leads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The leader; -1 while there is none.
    pub leader: i32,
    /// The leader's epoch; -1 where it is not known.
    pub leader_epoch: i32,
    /// The brokers that hold it.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub isr: Vec<i32>,
    /// Those of them that are offline.
    pub offline: Vec<i32>,
    /// What is wrong with it, if anything.
    pub error: ErrorCode,
}

/// A topic that a broker answered with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicError {
    /// The error.
    pub code: ErrorCode,
    /// How many answers in a row had one.
    pub times: u32,
}

impl Topology {
    /// A topic by name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(name)
    }

    /// A topic by id.
    #[must_use]
    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.topics.get(self.ids.get(&id)?)
    }

    /// The leader of a partition and its epoch, while one is known and so is its address.
    #[must_use]
    pub fn leader(&self, topic: &str, partition: i32) -> Option<(i32, i32)> {
        let partition = self.topic(topic)?.partition(partition)?;
        let known = self.brokers.contains_key(&partition.leader);
        known.then_some((partition.leader, partition.leader_epoch))
    }
}

impl Topic {
    /// A partition by number.
    #[must_use]
    pub fn partition(&self, number: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(number).ok()?)
    }
}

impl Default for Partition {
    fn default() -> Self {
        Self {
            leader: -1,
            leader_epoch: -1,
            replicas: Vec::new(),
            isr: Vec::new(),
            offline: Vec::new(),
            error: ErrorCode::LEADER_NOT_AVAILABLE,
        }
    }
}

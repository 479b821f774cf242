//! Topology and leader epochs, and when to look again.
//!
//! The machine turns metadata answers into [`Topology`] snapshots. It does not believe everything: a
//! leader epoch does not go backwards (rule 15), a missing topic or partition may be a stale broker's
//! (rule 16), a topic whose id changed is another topic of the same name (rule 17), and a broker of
//! another cluster is not believed at all.
//!
//! - `wanted`: which topics are asked for, and for how long.
//! - `name`: which names a topic can have.
//! - `topology`: what is known, as a value.

mod merge;
mod name;
mod topology;
mod wanted;

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use ottla_protocol::{ErrorCode, messages::MetadataResponse};

pub use name::{InvalidName, check_topic_name};
pub use topology::{Broker, Partition, Topic, TopicError, Topology};
use wanted::Wanted;

use crate::backoff::{Attempts, Backoff};

/// After so many answers in a row with an older leader epoch it is believed: an unclean election
/// can set it back (rule 15).
const REWINDS_BELIEVED: u32 = 5;

/// After so many answers in a row that a topic does not exist, it does not: a topic just made may be
/// unknown to a broker for a moment. Metadata then leaves it out, unless a caller asks for it again.
pub const UNKNOWN_TOPIC_ANSWERS: u32 = 4;

/// A refresh that is asked for so long after the one before begins with the shortest wait again.
const QUIET: u32 = 10;

/// How a [`Cluster`] behaves.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// `metadata.max.age.ms`: what is known is looked up again after this time.
    pub max_age: Duration,
    /// `metadata.max.idle.ms`: topics without a lease are forgotten when unused for this time.
    pub max_idle: Duration,
    /// `retry.backoff.ms` and `retry.backoff.max.ms`.
    pub backoff: Backoff,
}

/// A broker answered that belongs to another cluster. Nothing of its answer was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherCluster {
    /// The id of the cluster that this client is connected to.
    pub ours: Arc<str>,
    /// The id in the answer.
    pub theirs: Arc<str>,
}

impl fmt::Display for OtherCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ours, theirs } = self;
        write!(
            f,
            "it belongs to cluster {theirs}, but this client is connected to cluster {ours}"
        )
    }
}

impl std::error::Error for OtherCluster {}

/// The machine; see the [module](self).
#[derive(Debug)]
pub struct Cluster {
    settings: Settings,
    topology: Arc<Topology>,
    wanted: Wanted,
    rewinds: HashMap<(Arc<str>, i32), u32>,
    refresh: Refresh,
    attempts: Attempts,
    /// When a refresh was last asked for.
    last_stale: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refresh {
    Due(Instant),
    /// A caller waits for it, but not before this time.
    Wanted(Instant),
    Asked {
        again: bool,
    },
}

impl Cluster {
    /// Nothing is known, and the first refresh is due at once.
    #[must_use]
    pub fn new(now: Instant, settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            topology: Arc::new(Topology {
                controller_id: -1,
                ..Topology::default()
            }),
            wanted: Wanted::default(),
            rewinds: HashMap::new(),
            refresh: Refresh::Wanted(now),
            attempts: Attempts::new(seed),
            last_stale: None,
        }
    }

    /// What is known now.
    #[must_use]
    pub const fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// The topics that are asked for.
    pub fn wanted(&self) -> impl Iterator<Item = &Arc<str>> {
        self.wanted.names()
    }

    /// A caller uses a topic: it is asked for from now on, at once if it is not known.
    pub fn handle_interest(&mut self, now: Instant, topic: Arc<str>) {
        let known = self.topology.topics.contains_key(&topic);
        if !known && !self.wanted.contains(&topic) && self.topology.errors.contains_key(&topic) {
            // The errors counted before belong to earlier callers.
            let mut next = Topology::clone(&self.topology);
            next.errors.remove(&topic);
            self.topology = Arc::new(next);
        }
        if self.wanted.add(now, topic) || !known {
            self.handle_stale(now);
        }
    }

    /// Forgets the topics that have no lease and were not used for `metadata.max.idle.ms`. Call it
    /// before a refresh.
    pub fn handle_leases(&mut self, now: Instant, is_leased: impl Fn(&str) -> bool) {
        let idle = self.wanted.expire(now, self.settings.max_idle, is_leased);
        let errors = self.topology.errors.keys();
        let unused = errors.filter(|name| !self.wanted.contains(name));
        let unused: Vec<_> = unused.cloned().collect();
        if idle.is_empty() && unused.is_empty() {
            return;
        }
        let mut next = Topology::clone(&self.topology);
        next.generation += 1;
        for name in &idle {
            next.topics.remove(name);
        }
        next.ids.retain(|_, name| !idle.contains(name));
        self.rewinds.retain(|(name, _), _| !idle.contains(name));
        for name in idle.iter().chain(&unused) {
            next.errors.remove(name);
        }
        self.topology = Arc::new(next);
    }

    /// Something turned out to be wrong: look again soon. The more often in a row, the later.
    pub fn handle_stale(&mut self, now: Instant) {
        let quiet = self.settings.backoff.longest * QUIET;
        if self.last_stale.is_none_or(|last| last + quiet <= now) {
            self.attempts.reset();
        }
        self.last_stale = Some(now);
        match &mut self.refresh {
            Refresh::Asked { again } => *again = true,
            Refresh::Wanted(_) => {}
            Refresh::Due(at) if *at <= now => {}
            Refresh::Due(_) => self.refresh = Refresh::Wanted(now + self.pause()),
        }
    }

    fn pause(&mut self) -> Duration {
        self.attempts.delay(&self.settings.backoff)
    }

    /// Whether the next refresh is due to a request, rather than to the age of what is known.
    #[must_use]
    pub const fn is_asked_for(&self) -> bool {
        matches!(self.refresh, Refresh::Wanted(_))
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
        self.refresh = Refresh::Wanted(now + self.pause());
    }

    /// A broker answered.
    ///
    /// # Errors
    /// When it belongs to another cluster: a known broker's address was taken over. Nothing is taken
    /// in then, or records would go to the other cluster; the refresh goes on with the next broker.
    pub fn handle_metadata(
        &mut self,
        now: Instant,
        response: &MetadataResponse,
    ) -> Result<(), OtherCluster> {
        if let (Some(ours), Some(theirs)) = (&self.topology.cluster_id, &response.cluster_id)
            && ours != theirs
        {
            return Err(OtherCluster {
                ours: ours.clone(),
                theirs: theirs.clone(),
            });
        }
        let mut next = Topology::clone(&self.topology);
        next.generation += 1;
        next.cluster_id = next.cluster_id.or_else(|| response.cluster_id.clone());
        next.controller_id = response.controller_id;
        if !response.brokers.is_empty() {
            next.brokers = response.brokers.iter().filter_map(broker).collect();
        }
        for topic in &response.topics {
            self.take_topic(&mut next, topic);
        }
        self.topology = Arc::new(next);
        // Callers that still miss something ask again.
        self.refresh = match self.refresh {
            Refresh::Asked { again: true } => Refresh::Wanted(now + self.pause()),
            _ => Refresh::Due(now + self.settings.max_age),
        };
        Ok(())
    }

    /// A broker said in passing who leads a partition now (KIP-951). Believed only where it differs from what is known
    /// and the leader's address is known (rule 18); true when it was.
    pub fn handle_leader_hint(
        &mut self,
        topic: &str,
        partition: i32,
        leader: i32,
        epoch: i32,
        endpoint: Option<Broker>,
    ) -> bool {
        let known = self
            .topology
            .topic(topic)
            .and_then(|t| t.partition(partition));
        let is_news = known.is_some_and(|known| {
            epoch > known.leader_epoch || (epoch == known.leader_epoch && leader != known.leader)
        });
        let is_named = endpoint.as_ref().is_some_and(|broker| broker.id == leader);
        let is_placed = is_named || self.topology.brokers.contains_key(&leader);
        if !is_news || leader < 0 || !is_placed {
            return false;
        }
        // Copied once for all hints that come together: a topology that no reader holds is changed in place.
        let next = Arc::make_mut(&mut self.topology);
        if let Some(broker) = endpoint {
            next.brokers.insert(broker.id, Arc::new(broker));
        }
        let changed = next.topics.get_mut(topic).map(Arc::make_mut);
        let changed = changed.and_then(|t| t.partitions.get_mut(partition as usize));
        if let Some(partition) = changed {
            partition.leader = leader;
            partition.leader_epoch = epoch;
            partition.error = ErrorCode::NONE;
        }
        next.generation += 1;
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

//! How the connections of a client are made, and what they are for.

use std::{sync::Arc, time::Duration};

use ottla_core::{backoff::Backoff, connection::FramePool};
use ottla_protocol::messages::ApiKey;

use super::connect::Connect;
use crate::seeds::Seeds;

/// How connections are made; shared by all links of a client.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub(crate) connect: Arc<dyn Connect>,
    pub(crate) client_id: Option<Arc<str>>,
    pub(crate) setup_timeout: Duration,
    pub(crate) max_idle: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) max_frame: usize,
    /// The memory of large frames.
    pub(crate) frames: FramePool,
    pub(crate) seeds: Seeds,
    /// `metadata.cluster.check.enable`.
    pub(crate) checks_cluster: bool,
}

/// What a connection is used for. A broker answers the requests of a connection in order, so a slow
/// request holds up those behind it, and one that is never answered fails them (rule 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Use {
    /// Looking up the cluster.
    Metadata,
    /// Producer ids, and finding coordinators and asking them.
    Coordinator,
    Produce,
    /// By the consumer of this number: one that waits for records holds up no other.
    Fetch(u32),
    /// Requests that a broker may hold for long before it answers.
    Slow,
    General,
}

/// Requests with a time limit of their own, up to which a broker waits before it answers.
const SLOW: &[ApiKey] = &[
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::JoinGroup,
    ApiKey::SyncGroup,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DeleteRecords,
    ApiKey::CreatePartitions,
    ApiKey::ElectLeaders,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ListPartitionReassignments,
    ApiKey::UpdateFeatures,
    ApiKey::UnregisterBroker,
    ApiKey::ShareFetch,
    ApiKey::AddRaftVoter,
    ApiKey::RemoveRaftVoter,
];

impl Use {
    /// The connection for a request that a caller composed.
    pub(crate) fn of(api_key: i16) -> Self {
        if SLOW.iter().any(|slow| *slow as i16 == api_key) {
            Self::Slow
        } else {
            Self::General
        }
    }
}

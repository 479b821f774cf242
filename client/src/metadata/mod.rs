//! The task that owns what is known of the cluster. Others read snapshots and send requests.
//!
//! - `leases`: which topics are in use.
//! - `refresh`: asking brokers, one after another with a head start.

mod leases;
mod refresh;

use std::{sync::Arc, time::Duration};

use ottla_core::{
    backoff::Random,
    cluster::{Broker, Cluster, Topology},
};
use ottla_protocol::messages::{LeaderIdAndEpoch, NodeEndpoint};
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
};

use leases::Leases;
pub(crate) use leases::TopicLease;
use refresh::Task;

use crate::{
    error::Error,
    net::{address::Address, pool::Brokers},
};

/// Requests that may wait in the queue; a caller with another one waits itself.
const QUEUE: usize = 64;

/// What others want of the task.
#[derive(Debug)]
pub(crate) enum TopologyRequest {
    /// Know this topic from now on.
    Topic(Arc<str>),
    /// Something is out of date: look again soon.
    Stale,
    /// A broker named a new leader in passing (KIP-951).
    Leader {
        topic: Arc<str>,
        partition: i32,
        leader: i32,
        epoch: i32,
        endpoint: Option<Broker>,
    },
}

/// What is known now, and how that came about.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) topology: Arc<Topology>,
    /// How many answers there were.
    pub(crate) answers: u64,
    /// Why the last attempt failed.
    failure: Option<String>,
    /// How often every broker that was asked refused for good, and what the last one said.
    pub(crate) refusals: (u64, Option<Error>),
    /// The brokers that were asked and have not answered yet.
    asked: Vec<Address>,
}

impl Snapshot {
    /// Why there is no answer: what was wrong last, and which brokers are waited for.
    pub(crate) fn trouble(&self) -> Option<String> {
        let asked: Vec<_> = self.asked.iter().map(ToString::to_string).collect();
        let silent =
            (!asked.is_empty()).then(|| format!("no answer from {} yet", asked.join(", ")));
        match (&self.failure, silent) {
            (Some(failure), Some(silent)) => Some(format!("{failure}; then {silent}")),
            (failure, silent) => failure.clone().or(silent),
        }
    }
}

/// A handle to the task. Dropping it ends the task.
#[derive(Debug)]
pub(crate) struct Metadata {
    requests: mpsc::Sender<TopologyRequest>,
    snapshot: watch::Receiver<Snapshot>,
    leases: Leases,
    /// Topics that callers wait for.
    awaited: Leases,
    task: AbortHandle,
}

impl Drop for Metadata {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Metadata {
    pub(crate) fn new(
        cluster: Cluster,
        seeds: Vec<Address>,
        brokers: Arc<Brokers>,
        timeout: Duration,
        auto_create: bool,
        random: Random,
    ) -> Self {
        let (requests, queue) = mpsc::channel(QUEUE);
        let topology = cluster.topology().clone();
        let (publish, snapshot) = watch::channel(Snapshot {
            topology,
            answers: 0,
            failure: None,
            refusals: (0, None),
            asked: Vec::new(),
        });
        let (leases, awaited) = (Leases::default(), Leases::default());
        let task = Task {
            cluster,
            seeds,
            brokers,
            timeout,
            auto_create,
            publish,
            random,
            leases: leases.clone(),
            awaited: awaited.clone(),
        };
        let task = tokio::spawn(task.run(queue)).abort_handle();
        Self {
            requests,
            snapshot,
            leases,
            awaited,
            task,
        }
    }

    pub(crate) fn topology(&self) -> Arc<Topology> {
        self.snapshot.borrow().topology.clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Snapshot> {
        self.snapshot.clone()
    }

    /// Keeps a topic in use until the lease is dropped.
    pub(crate) fn lease(&self, topic: &Arc<str>) -> TopicLease {
        let lease = self.leases.take(topic);
        self.hint(TopologyRequest::Topic(topic.clone()));
        lease
    }

    /// A caller waits for a topic until this is dropped: a broker may create it meanwhile
    /// (`allow.auto.create.topics`).
    pub(crate) fn await_topic(&self, topic: &Arc<str>) -> TopicLease {
        self.awaited.take(topic)
    }

    /// How many topics have leases.
    pub(crate) fn leased(&self) -> usize {
        self.leases.topics().len()
    }

    pub(crate) async fn request_topology(&self, request: TopologyRequest) {
        // The task lives as long as this handle.
        let _: Result<_, _> = self.requests.send(request).await;
    }

    /// A refusal may name who leads the partition now (KIP-951).
    pub(crate) fn hint_leader(
        &self,
        topic: &Arc<str>,
        partition: i32,
        current: &LeaderIdAndEpoch,
        endpoints: &[NodeEndpoint],
    ) {
        if current.leader_id < 0 {
            return;
        }
        self.hint(TopologyRequest::Leader {
            topic: topic.clone(),
            partition,
            leader: current.leader_id,
            epoch: current.leader_epoch,
            endpoint: endpoint(current.leader_id, endpoints),
        });
    }

    /// A request that may be dropped when many are waiting, because it will be made again.
    pub(crate) fn hint(&self, request: TopologyRequest) {
        let _: Result<_, _> = self.requests.try_send(request);
    }
}

/// Where the broker with this id lives, if the answer says so.
fn endpoint(id: i32, endpoints: &[NodeEndpoint]) -> Option<Broker> {
    let endpoint = endpoints.iter().find(|e| e.node_id == id)?;
    let port = u16::try_from(endpoint.port).ok()?;
    Some(Broker {
        id,
        host: endpoint.host.clone(),
        port,
        rack: endpoint.rack.clone(),
    })
}

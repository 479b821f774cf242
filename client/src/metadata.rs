//! The task that owns what is known of the cluster. Others read snapshots and send wishes.

use std::{sync::Arc, time::Duration};

use ottla_core::{
    backoff::Random,
    cluster::{Broker, Cluster, Topology},
};
use ottla_protocol::messages::{
    LeaderIdAndEpoch, MetadataRequest, MetadataRequestTopic, MetadataResponse, NodeEndpoint,
};
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use crate::{
    error::{Error, Result},
    net::link::Address,
    net::pool::{Brokers, Use},
};

/// Wishes that may wait; more wait with whoever has them.
const QUEUE: usize = 64;

/// What others want of the task.
#[derive(Debug)]
pub(crate) enum Wish {
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
    /// Who is asked now, and has not answered yet.
    asked: Option<Address>,
}

impl Snapshot {
    /// Why there is no answer: what was wrong last, and who is waited for.
    pub(crate) fn trouble(&self) -> Option<String> {
        let silent = |address| format!("no answer from {address} yet");
        match (&self.failure, &self.asked) {
            (Some(failure), Some(asked)) => Some(format!("{failure}; then {}", silent(asked))),
            (failure, asked) => failure.clone().or_else(|| asked.as_ref().map(silent)),
        }
    }
}

/// A handle to the task. Dropping it ends the task.
#[derive(Debug)]
pub(crate) struct Metadata {
    wishes: mpsc::Sender<Wish>,
    snapshot: watch::Receiver<Snapshot>,
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
        let (wishes, queue) = mpsc::channel(QUEUE);
        let topology = cluster.topology().clone();
        let (publish, snapshot) = watch::channel(Snapshot {
            topology,
            answers: 0,
            failure: None,
            asked: None,
        });
        let task = Task {
            cluster,
            seeds,
            brokers,
            timeout,
            auto_create,
            publish,
            random,
        };
        let task = tokio::spawn(task.run(queue)).abort_handle();
        Self {
            wishes,
            snapshot,
            task,
        }
    }

    pub(crate) fn topology(&self) -> Arc<Topology> {
        self.snapshot.borrow().topology.clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Snapshot> {
        self.snapshot.clone()
    }

    pub(crate) async fn wish(&self, wish: Wish) {
        // The task lives as long as this handle.
        let _: Result<_, _> = self.wishes.send(wish).await;
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
        self.hint(Wish::Leader {
            topic: topic.clone(),
            partition,
            leader: current.leader_id,
            epoch: current.leader_epoch,
            endpoint: endpoint(current.leader_id, endpoints),
        });
    }

    /// A wish that may be dropped when many are waiting, because it will be made again.
    pub(crate) fn hint(&self, wish: Wish) {
        let _: Result<_, _> = self.wishes.try_send(wish);
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

struct Task {
    cluster: Cluster,
    seeds: Vec<Address>,
    brokers: Arc<Brokers>,
    timeout: Duration,
    auto_create: bool,
    publish: watch::Sender<Snapshot>,
    random: Random,
}

impl Task {
    async fn run(mut self, mut queue: mpsc::Receiver<Wish>) {
        loop {
            if self.cluster.poll_refresh(Instant::now().into_std()) {
                self.refresh(&mut queue).await;
            }
            let next = self
                .cluster
                .poll_timeout()
                .map_or_else(Instant::now, Instant::from_std);
            tokio::select! {
                biased;
                wish = queue.recv() => match wish {
                    Some(wish) => self.handle(wish),
                    None => return,
                },
                () = sleep_until(next) => {}
            }
        }
    }

    fn handle(&mut self, wish: Wish) {
        let now = Instant::now().into_std();
        match wish {
            Wish::Topic(topic) => self.cluster.handle_interest(now, topic),
            Wish::Stale => self.cluster.handle_stale(now),
            Wish::Leader {
                topic,
                partition,
                leader,
                epoch,
                endpoint,
            } => {
                if self
                    .cluster
                    .handle_leader_hint(&topic, partition, leader, epoch, endpoint)
                {
                    let topology = self.cluster.topology().clone();
                    self.publish.send_modify(|s| s.topology = topology);
                }
            }
        }
    }

    /// Asks one address after another, known brokers first, until one answers. Wishes are taken
    /// meanwhile.
    async fn refresh(&mut self, queue: &mut mpsc::Receiver<Wish>) {
        for address in self.candidates() {
            self.publish
                .send_modify(|s| s.asked = Some(address.clone()));
            let request = Arc::new(self.request());
            let link = self.brokers.link(&address, Use::General);
            let asked = link.request(request, i16::MAX, self.timeout);
            tokio::pin!(asked);
            let answer = loop {
                tokio::select! {
                    biased;
                    answer = &mut asked => break answer,
                    Some(wish) = queue.recv() => self.handle(wish),
                }
            };
            match answer.and_then(|answer| usable(answer, &address)) {
                Ok(answer) => return self.take(&answer),
                Err(error) => {
                    tracing::debug!(broker = %address, %error, "no metadata");
                    self.publish.send_modify(|s| {
                        s.failure = Some(error.to_string());
                        s.asked = None;
                    });
                }
            }
        }
        self.cluster.handle_failed(Instant::now().into_std());
    }

    fn take(&mut self, answer: &MetadataResponse) {
        self.cluster
            .handle_metadata(Instant::now().into_std(), answer);
        let topology = self.cluster.topology().clone();
        let at = |a: &Address| {
            topology
                .brokers
                .values()
                .any(|b| b.host == a.host && b.port == a.port)
        };
        self.brokers
            .retain(|address| at(address) || self.seeds.contains(address));
        self.publish.send_modify(|s| {
            s.topology = topology;
            s.answers += 1;
            s.failure = None;
            s.asked = None;
        });
    }

    /// Known brokers, then the bootstrap servers, which are asked again when no broker answers any
    /// more (rule 19); each group from a random place on.
    fn candidates(&mut self) -> Vec<Address> {
        let brokers = self.cluster.topology().brokers.values();
        let mut known: Vec<_> = brokers
            .map(|b| Address {
                host: b.host.clone(),
                port: b.port,
            })
            .collect();
        known.sort_unstable();
        let turn = self.random.below(known.len());
        known.rotate_left(turn);
        let turn = self.random.below(self.seeds.len());
        let seeds = self.seeds.iter().cycle().skip(turn).take(self.seeds.len());
        for seed in seeds {
            if !known.contains(seed) {
                known.push(seed.clone());
            }
        }
        known
    }

    fn request(&self) -> MetadataRequest {
        let one = |name: &Arc<str>| MetadataRequestTopic {
            name: Some(name.clone()),
            ..MetadataRequestTopic::default()
        };
        MetadataRequest {
            topics: Some(self.cluster.wanted().iter().map(one).collect()),
            allow_auto_topic_creation: self.auto_create,
            ..MetadataRequest::default()
        }
    }
}

/// A cluster without brokers is one that this client cannot use.
fn usable(answer: MetadataResponse, address: &Address) -> Result<MetadataResponse> {
    let doing = || format!("asking {address} for metadata");
    if !answer.error_code.is_ok() {
        return Err(Error::broker(answer.error_code, doing()));
    }
    if answer.brokers.is_empty() {
        return Err(Error::broker(
            ottla_protocol::ErrorCode::BROKER_NOT_AVAILABLE,
            doing(),
        ));
    }
    Ok(answer)
}

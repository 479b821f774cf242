//! The metadata task: takes requests, and asks brokers when a refresh is due.

use std::{sync::Arc, time::Duration};

use ottla_core::{
    backoff::Random,
    cluster::{Cluster, check_topic_name},
};
use ottla_protocol::messages::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{Leases, Snapshot, TopologyRequest};
use crate::{
    error::{Error, ErrorKind, Result},
    net::{address::Address, dialer::Use, pool::Brokers},
};

/// So long a broker is waited for alone. Then the next one is asked beside it: one that is silent must
/// not use up the time of all.
const HEAD_START: Duration = Duration::from_secs(1);

pub(super) struct Task {
    pub(super) cluster: Cluster,
    pub(super) seeds: Vec<Address>,
    pub(super) brokers: Arc<Brokers>,
    pub(super) timeout: Duration,
    pub(super) auto_create: bool,
    pub(super) publish: watch::Sender<Snapshot>,
    pub(super) random: Random,
    pub(super) leases: Leases,
    pub(super) awaited: Leases,
}

type Answer = (Address, Result<MetadataResponse>);

impl Task {
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<TopologyRequest>) {
        loop {
            let is_asked_for = self.cluster.is_asked_for();
            if self.cluster.poll_refresh(Instant::now().into_std()) {
                let why = if is_asked_for { "a request" } else { "its age" };
                tracing::debug!(why, "refreshing metadata");
                self.refresh(&mut queue).await;
            }
            let next = self
                .cluster
                .poll_timeout()
                .map_or_else(Instant::now, Instant::from_std);
            tokio::select! {
                biased;
                request = queue.recv() => match request {
                    Some(request) => self.handle_all(request, &mut queue),
                    None => return,
                },
                () = sleep_until(next) => {}
            }
        }
    }

    /// Takes in all requests that wait, and shows what changed once: a leader that leaves names the new
    /// leaders of thousands of partitions, and each copy of a topology costs what all of them cost.
    fn handle_all(&mut self, first: TopologyRequest, queue: &mut mpsc::Receiver<TopologyRequest>) {
        let mut changed = self.handle(first);
        while let Ok(request) = queue.try_recv() {
            changed |= self.handle(request);
        }
        if changed {
            let topology = self.cluster.topology().clone();
            self.publish.send_modify(|s| s.topology = topology);
        }
    }

    /// Takes one request in. True when the topology changed.
    fn handle(&mut self, request: TopologyRequest) -> bool {
        let now = Instant::now().into_std();
        match request {
            // No broker is asked for a name that no topic can have.
            TopologyRequest::Topic(topic) if check_topic_name(&topic).is_err() => {}
            TopologyRequest::Topic(topic) => self.cluster.handle_interest(now, topic),
            TopologyRequest::Stale => self.cluster.handle_stale(now),
            TopologyRequest::Leader {
                topic,
                partition,
                leader,
                epoch,
                endpoint,
            } => {
                let cluster = &mut self.cluster;
                return cluster.handle_leader_hint(&topic, partition, leader, epoch, endpoint);
            }
        }
        false
    }

    /// Asks one address after another, known brokers first, until one answers. The next one is asked
    /// when the one before failed, or was silent for the head start. Requests are taken meanwhile.
    async fn refresh(&mut self, queue: &mut mpsc::Receiver<TopologyRequest>) {
        self.renew_leases();
        let mut candidates = self.candidates().into_iter();
        let mut asked: JoinSet<Answer> = JoinSet::new();
        let mut next = Instant::now();
        // No pause mends what every broker refuses for good: callers that wait are told at once.
        let mut refusal = None;
        let mut hopeless = true;
        while candidates.len() > 0 || !asked.is_empty() {
            tokio::select! {
                biased;
                Some(request) = queue.recv() => self.handle_all(request, queue),
                Some(Ok((address, answer))) = asked.join_next() => {
                    match answer.and_then(|answer| self.take(&answer, &address)) {
                        Ok(()) => return,
                        Err(error) => {
                            self.record_failure(&address, &error);
                            hopeless &= !error.is_retriable();
                            refusal = Some(error);
                        }
                    }
                    next = Instant::now();
                }
                () = sleep_until(next), if candidates.len() > 0 => {
                    if let Some(address) = candidates.next() {
                        self.ask(&mut asked, address);
                    }
                    next = Instant::now() + HEAD_START;
                }
            }
        }
        if let Some(error) = refusal.filter(|_| hopeless) {
            self.publish.send_modify(|s| {
                s.refusals = (s.refusals.0 + 1, Some(error));
            });
        }
        self.cluster.handle_failed(Instant::now().into_std());
    }

    /// Leased topics are asked for, and idle ones no longer.
    fn renew_leases(&mut self) {
        let now = Instant::now().into_std();
        for topic in self.leases.topics() {
            self.cluster.handle_interest(now, topic);
        }
        self.cluster
            .handle_leases(now, |topic| self.leases.is_leased(topic));
    }

    fn ask(&self, asked: &mut JoinSet<Answer>, address: Address) {
        self.publish.send_modify(|s| s.asked.push(address.clone()));
        let request = Arc::new(self.request());
        let link = self.brokers.link(&address, Use::Metadata);
        let timeout = self.timeout;
        asked.spawn(async move {
            let answer = link.request(request, i16::MAX, timeout).await;
            let answer = answer.and_then(|answer| usable(answer, &address));
            (address, answer)
        });
    }

    fn record_failure(&self, address: &Address, error: &Error) {
        tracing::debug!(broker = %address, %error, "no metadata");
        self.publish.send_modify(|s| {
            s.failure = Some(error.to_string());
            s.asked.retain(|asked| asked != address);
        });
    }

    /// Takes an answer in, unless it comes from another cluster: then nothing goes to that address
    /// until a broker of this cluster answers there.
    fn take(&mut self, answer: &MetadataResponse, address: &Address) -> Result<()> {
        let before = self.cluster.topology().cluster_id.is_some();
        let taken = self
            .cluster
            .handle_metadata(Instant::now().into_std(), answer);
        if let Err(other) = taken {
            tracing::warn!(broker = %address, %other, "refused metadata of another cluster");
            self.brokers.set_foreign(address, other.clone());
            let doing = format!("asking {address} for metadata");
            return Err(Error::new(ErrorKind::OtherCluster(other), doing));
        }
        self.brokers.clear_foreign(address);
        let topology = self.cluster.topology().clone();
        if let Some(id) = topology.cluster_id.as_ref().filter(|_| !before) {
            tracing::info!(cluster_id = %id, brokers = topology.brokers.len(), "found the cluster");
        }
        tracing::debug!(
            broker = %address,
            topics = topology.topics.len(),
            generation = topology.generation,
            "refreshed metadata"
        );
        self.brokers.update(&topology, &self.seeds);
        self.publish.send_modify(|s| {
            s.topology = topology;
            s.answers += 1;
            s.failure = None;
            s.asked.clear();
        });
        Ok(())
    }

    /// Known brokers, then the bootstrap servers, which are asked again when no broker answers any
    /// more (rule 19); each group from a random place on.
    fn candidates(&mut self) -> Vec<Address> {
        let brokers = self.cluster.topology().brokers.values();
        let mut known: Vec<_> = brokers.map(|b| Address::of(b)).collect();
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

    /// A request that lets brokers create topics names none that was deleted, unless a caller waits for
    /// it: a topic that is still in use somewhere would come back.
    fn request(&self) -> MetadataRequest {
        let topology = self.cluster.topology();
        let is_there = |name: &Arc<str>| {
            topology.topics.contains_key(name) && !topology.errors.contains_key(name)
        };
        let may_be_created = |name: &Arc<str>| {
            let is_new = !topology.topics.contains_key(name) && !topology.errors.contains_key(name);
            is_new || (self.awaited.is_leased(name) && !is_there(name))
        };
        let creates = self.auto_create && self.cluster.wanted().any(may_be_created);
        let one = |name: &Arc<str>| MetadataRequestTopic {
            name: Some(name.clone()),
            ..MetadataRequestTopic::default()
        };
        let wanted = self.cluster.wanted();
        let named = wanted.filter(|name| !creates || is_there(name) || may_be_created(name));
        MetadataRequest {
            topics: Some(named.map(one).collect()),
            allow_auto_topic_creation: creates,
            ..MetadataRequest::default()
        }
    }
}

/// A cluster without brokers is one that this client cannot use.
fn usable(answer: MetadataResponse, address: &Address) -> Result<MetadataResponse> {
    let doing = || format!("asking {address} for metadata");
    if !answer.error_code.is_ok() {
        return Err(Error::answered(answer.error_code, doing()));
    }
    if answer.brokers.is_empty() {
        return Err(Error::answered(
            ottla_protocol::ErrorCode::BROKER_NOT_AVAILABLE,
            doing(),
        ));
    }
    Ok(answer)
}

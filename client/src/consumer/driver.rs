//! The task that owns the positions: takes the application's commands, lets the machine decide what
//! to fetch and to look up, asks the brokers, and hands what came in to the opener.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use ottla_core::{
    cluster::{Topology, UNKNOWN_TOPIC_ANSWERS},
    fetcher::{Fetch, Fetched, Fetcher, Lookup, Problem, Slot, Start, Wanted},
};
use ottla_protocol::{
    ErrorCode,
    messages::{
        FetchPartition, FetchRequest, FetchResponse, FetchTopic, FetchedPartition, NodeEndpoint,
    },
    records::{Batches, RawBatch, RecordError},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use uuid::Uuid;

use super::{
    Incarnation, Key, QueueSize,
    opener::{Raw, RawBatches},
    settings::Settings,
};
use crate::{
    client::Client,
    error::{Error, Result},
    metadata::{Snapshot, TopicLease, Wish},
    net::pool::Use,
    offsets::{self, Place},
    settings::as_millis,
};

/// The last version in which topics go by name (KIP-516).
const BY_NAME: i16 = 12;

/// What the application, or the opener, asks of the task.
#[derive(Debug)]
pub(super) enum Command {
    Assign {
        key: Key,
        start: Start,
        incarnation: Incarnation,
        /// What it was when this was asked; a seek may have changed it since.
        number: u32,
    },
    Unassign(Key),
    Seek {
        key: Key,
        start: Start,
        incarnation: u32,
    },
    Pause(Key, bool),
    /// What was fetched from here on cannot be read: fetch it again, after a while.
    Retry {
        key: Key,
        start: Start,
        fetching: u32,
    },
}

/// What came back to the task.
enum Event {
    Fetched(Fetch, Result<FetchResponse>),
    LookedUp(Vec<Lookup>, Vec<Result<i64>>),
}

/// A partition that is assigned.
struct Assigned {
    slot: Slot,
    incarnation: Incarnation,
    /// The topic's id as it was when the position was set; zero where it is not known.
    topic_id: Uuid,
    /// The application was told that the topic is gone.
    told_gone: bool,
    /// Metadata is kept for the topic as long as the partition is assigned.
    _lease: TopicLease,
}

pub(super) struct Driver {
    client: Client,
    settings: Settings,
    machine: Fetcher,
    assigned: HashMap<Key, Assigned>,
    events: JoinSet<Event>,
    /// Its own connections: see [`Use::Fetch`].
    purpose: Use,
    queue: Arc<QueueSize>,
    /// Bounded by the queue's size: nothing is fetched while that has no room.
    raw: mpsc::UnboundedSender<Raw>,
    topology: watch::Receiver<Snapshot>,
}

impl Driver {
    pub(super) fn new(
        client: Client,
        settings: Settings,
        queue: Arc<QueueSize>,
        raw: mpsc::UnboundedSender<Raw>,
    ) -> Self {
        Self {
            machine: Fetcher::new(
                settings.reset,
                client.retry_backoff(),
                client.seeds().next(),
            ),
            assigned: HashMap::new(),
            events: JoinSet::new(),
            purpose: Use::Fetch(client.brokers().next_consumer()),
            topology: client.metadata().watch(),
            client,
            settings,
            queue,
            raw,
        }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let queue = self.queue.clone();
        loop {
            self.drive();
            // Without room nothing is asked, and so nothing is due.
            let timeout = self.machine.poll_timeout().filter(|_| queue.has_room());
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.handle(command),
                    None => return,
                },
                Some(done) = self.events.join_next() => match done {
                    Ok(event) => self.handle_event(event),
                    Err(error) => tracing::error!(%error, "a fetch ended in a panic"),
                },
                () = queue.room.notified() => {}
                Ok(()) = self.topology.changed() => self.check_topics(),
                () = sleep_until(timeout.map_or_else(Instant::now, Instant::from_std)), if timeout.is_some() => {}
            }
        }
    }

    // ---- from the application ----

    fn handle(&mut self, command: Command) {
        match command {
            Command::Assign {
                key,
                start,
                incarnation,
                number,
            } => self.assign(key, start, incarnation, number),
            Command::Unassign(key) => {
                if let Some(assigned) = self.assigned.remove(&key) {
                    self.machine.handle_unassigned(assigned.slot);
                }
            }
            Command::Seek {
                key,
                start,
                incarnation,
            } => {
                let topic_id = self.topic_id(&key.0);
                if let Some(assigned) = self.assigned.get_mut(&key) {
                    assigned.topic_id = topic_id;
                    self.machine.handle_seek(assigned.slot, start, incarnation);
                }
            }
            Command::Pause(key, paused) => {
                if let Some(assigned) = self.assigned.get(&key) {
                    self.machine.handle_paused(assigned.slot, paused);
                }
            }
            Command::Retry {
                key,
                start,
                fetching,
            } => {
                let now = Instant::now().into_std();
                let assigned = self.assigned.get(&key);
                // A seek that came in between outranks it (rule 58).
                let is_current = |a: &&Assigned| a.incarnation.fetching() == fetching;
                if let Some(assigned) = assigned.filter(is_current) {
                    self.machine.handle_seek(assigned.slot, start, fetching);
                    self.machine.handle_no_progress(now, assigned.slot);
                }
            }
        }
    }

    fn assign(&mut self, key: Key, start: Start, incarnation: Incarnation, number: u32) {
        let (topic, partition) = key.clone();
        let topic_id = self.topic_id(&topic);
        let lease = self.client.metadata().lease(&topic);
        let slot = self
            .machine
            .handle_assigned(topic, partition, start, number);
        let assigned = Assigned {
            slot,
            incarnation,
            topic_id,
            told_gone: false,
            _lease: lease,
        };
        self.assigned.insert(key, assigned);
    }

    fn topic_id(&self, topic: &str) -> Uuid {
        let topology = self.client.topology();
        topology.topic(topic).map_or(Uuid::nil(), |t| t.id)
    }

    /// Looks for topics that are gone, or that are others of the same name.
    fn check_topics(&mut self) {
        let topology = self.topology.borrow_and_update().topology.clone();
        let mut gone = Vec::new();
        for (key, assigned) in &mut self.assigned {
            let id = topology.topic(&key.0).map_or(Uuid::nil(), |t| t.id);
            if assigned.topic_id.is_nil() {
                assigned.topic_id = id;
            } else if !id.is_nil() && id != assigned.topic_id {
                assigned.topic_id = id;
                self.machine.handle_recreated(assigned.slot);
            }
            let error = topology.errors.get(&key.0);
            let error = error.filter(|e| e.times >= UNKNOWN_TOPIC_ANSWERS);
            if let Some(error) = error.filter(|_| !assigned.told_gone) {
                gone.push((key.clone(), error.code));
            }
            assigned.told_gone = error.is_some();
        }
        for (key, code) in gone {
            let error = Error::broker(code, format!("reading {}-{}", key.0, key.1));
            self.tell(&key, error);
        }
    }

    // ---- to the brokers ----

    fn drive(&mut self) {
        let now = Instant::now().into_std();
        if self.queue.has_room() {
            let lookups: Vec<_> = std::iter::from_fn(|| self.machine.poll_lookup(now)).collect();
            if !lookups.is_empty() {
                self.look_up(lookups);
            }
            let topology = self.client.topology();
            while let Some(fetch) = self
                .machine
                .poll_fetch(now, |topic, n| topology.leader(topic, n))
            {
                self.fetch(&topology, fetch);
            }
        }
        while self.machine.poll_stale().is_some() {
            self.client.metadata().hint(Wish::Stale);
        }
        while let Some(problem) = self.machine.poll_problem() {
            self.report(&problem);
        }
    }

    fn look_up(&mut self, lookups: Vec<Lookup>) {
        let client = self.client.clone();
        self.events.spawn(async move {
            let place = |l: &Lookup| Place {
                topic: l.topic.clone(),
                partition: l.partition,
                start: l.start,
            };
            let places: Vec<_> = lookups.iter().map(place).collect();
            let found = offsets::look_up(&client, &places).await;
            Event::LookedUp(lookups, found)
        });
    }

    fn fetch(&mut self, topology: &Topology, fetch: Fetch) {
        let topics = self.topics(topology, &fetch);
        // By id only when every topic has one.
        let by_name = topics.iter().any(|t| t.topic_id.is_nil());
        let cap = if by_name { BY_NAME } else { i16::MAX };
        let request = Arc::new(FetchRequest {
            max_wait_ms: as_millis(self.settings.max_wait),
            min_bytes: self.settings.min_bytes,
            max_bytes: self.settings.max_bytes,
            topics,
            ..FetchRequest::default()
        });
        let timeout = self.client.request_timeout() + self.settings.max_wait;
        let link = self.client.link(fetch.broker, self.purpose);
        self.events.spawn(async move {
            let answer = match link {
                Ok(link) => link.request(request, cap, timeout).await,
                Err(error) => Err(error),
            };
            Event::Fetched(fetch, answer)
        });
    }

    fn topics(&self, topology: &Topology, fetch: &Fetch) -> Vec<FetchTopic> {
        let mut topics: BTreeMap<&Arc<str>, Vec<FetchPartition>> = BTreeMap::new();
        for wanted in &fetch.partitions {
            let partition = FetchPartition {
                partition: wanted.partition,
                current_leader_epoch: wanted.leader_epoch,
                fetch_offset: wanted.offset,
                partition_max_bytes: self.settings.partition_max_bytes,
                ..FetchPartition::default()
            };
            topics.entry(&wanted.topic).or_default().push(partition);
        }
        let topic = |(name, partitions): (&Arc<str>, _)| FetchTopic {
            topic_id: topology.topic(name).map_or(Uuid::nil(), |t| t.id),
            topic: name.clone(),
            partitions,
        };
        topics.into_iter().map(topic).collect()
    }

    // ---- from the brokers ----

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Fetched(fetch, Ok(response)) if response.error_code.is_ok() => {
                self.fetched(&fetch, response);
            }
            Event::Fetched(fetch, Ok(response)) => {
                let doing = format!("fetching from broker {}", fetch.broker);
                self.lost(&fetch, &Error::broker(response.error_code, doing));
            }
            Event::Fetched(fetch, Err(error)) => self.lost(&fetch, &error),
            Event::LookedUp(lookups, found) => self.looked_up(&lookups, found),
        }
    }

    /// A fetch that failed as a whole. It is made again; what no repetition mends is told.
    fn lost(&mut self, fetch: &Fetch, error: &Error) {
        tracing::debug!(broker = fetch.broker, %error, "a fetch failed");
        self.machine
            .handle_fetch_lost(Instant::now().into_std(), fetch);
        if error.is_retriable() {
            return;
        }
        for wanted in &fetch.partitions {
            self.tell(&(wanted.topic.clone(), wanted.partition), error.clone());
        }
    }

    fn looked_up(&mut self, lookups: &[Lookup], found: Vec<Result<i64>>) {
        let now = Instant::now().into_std();
        for (lookup, found) in lookups.iter().zip(found) {
            let answer = found.map_err(|error| match error.code() {
                Some(code) => code,
                None => {
                    if !error.is_retriable() {
                        self.tell(&(lookup.topic.clone(), lookup.partition), error);
                    }
                    ErrorCode::NETWORK_EXCEPTION
                }
            });
            self.machine.handle_looked_up(now, lookup, answer);
        }
    }

    fn fetched(&mut self, fetch: &Fetch, response: FetchResponse) {
        let now = Instant::now().into_std();
        let topology = self.client.topology();
        self.machine.handle_fetch_done(fetch.broker);
        let mut answers = HashMap::new();
        for topic in response.responses {
            let by_id = topology.topic_by_id(topic.topic_id).map(|t| t.name.clone());
            let by_name = Some(topic.topic).filter(|_| topic.topic_id.is_nil());
            let Some(name) = by_id.or(by_name) else {
                continue;
            };
            for partition in topic.partitions {
                // The first entry counts; others for the same partition were not asked for.
                let key = (name.clone(), partition.partition_index);
                answers.entry(key).or_insert(partition);
            }
        }
        let shares = fetch.partitions.len() > 1;
        for wanted in &fetch.partitions {
            match answers.remove(&(wanted.topic.clone(), wanted.partition)) {
                Some(answer) => self.take(now, wanted, answer, &response.node_endpoints, shares),
                None => {
                    self.machine.handle_fetched(now, wanted, Fetched::Missing);
                }
            }
        }
    }

    /// What a fetch brought for one partition. `shares`: others were in the same fetch.
    fn take(
        &mut self,
        now: std::time::Instant,
        wanted: &Wanted,
        answer: FetchedPartition,
        endpoints: &[NodeEndpoint],
        shares: bool,
    ) {
        if !answer.error_code.is_ok() {
            let (topic, n) = (&wanted.topic, wanted.partition);
            let metadata = self.client.metadata();
            metadata.hint_leader(topic, n, &answer.current_leader, endpoints);
            if answer.error_code == ErrorCode::OFFSET_OUT_OF_RANGE {
                let (offset, reset) = (wanted.offset, self.settings.reset);
                tracing::warn!(%topic, partition = n, offset, ?reset, "the log holds no such offset");
            }
            let error = Fetched::Error(answer.error_code);
            self.machine.handle_fetched(now, wanted, error);
            return;
        }
        let records = answer.records.unwrap_or_default();
        let size = records.len();
        let walked = Walked::of(records, wanted.offset);
        let up_to = Fetched::UpTo(walked.next);
        if !self.machine.handle_fetched(now, wanted, up_to) || size == 0 {
            return;
        }
        // A limit that others used up is no reason to wait: the turn at the front comes (rule 64).
        let cut_short = walked.batches.is_empty() && walked.damage.is_none() && shares;
        if walked.next == wanted.offset && !cut_short {
            self.machine.handle_no_progress(now, wanted.slot);
        }
        let key = (wanted.topic.clone(), wanted.partition);
        let content = Ok(RawBatches {
            batches: walked.batches,
            damage: walked.damage,
            from: wanted.offset,
            high_watermark: answer.high_watermark,
            size,
        });
        self.queue.add(size);
        self.pass_on(&key, wanted.incarnation, content);
    }

    // ---- to the application ----

    fn report(&self, problem: &Problem) {
        let Problem {
            topic,
            partition,
            incarnation,
            error,
            offset,
        } = problem;
        let place = if *offset < 0 {
            format!("finding where to start reading {topic}-{partition}")
        } else {
            format!("reading {topic}-{partition} at offset {offset}")
        };
        let key = (topic.clone(), *partition);
        self.pass_on(&key, *incarnation, Err(Error::broker(*error, place)));
    }

    /// Tells the application of an error, behind what was fetched before.
    fn tell(&self, key: &Key, error: Error) {
        if let Some(assigned) = self.assigned.get(key) {
            self.pass_on(key, assigned.incarnation.fetching(), Err(error));
        }
    }

    fn pass_on(&self, key: &Key, fetching: u32, content: Result<RawBatches>) {
        let Some(assigned) = self.assigned.get(key) else {
            return;
        };
        // Nobody listens any more when the consumer is being dropped.
        let _: Result<_, _> = self.raw.send(Raw {
            key: key.clone(),
            fetching,
            current: assigned.incarnation.clone(),
            content,
        });
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.client.brokers().forget(self.purpose);
    }
}

/// The batches of one partition's answer, unopened, and the offset behind them.
struct Walked {
    batches: Vec<RawBatch>,
    damage: Option<RecordError>,
    next: i64,
}

impl Walked {
    fn of(records: Bytes, from: i64) -> Self {
        let mut walked = Self {
            batches: Vec::new(),
            damage: None,
            next: from,
        };
        for batch in Batches::new(records) {
            match batch {
                Ok(batch) => {
                    // Also where compaction left nothing of the batch (rule 63).
                    let behind = batch.header().last_offset().saturating_add(1);
                    walked.next = walked.next.max(behind);
                    walked.batches.push(batch);
                }
                Err(error) => walked.damage = Some(error),
            }
        }
        walked
    }
}

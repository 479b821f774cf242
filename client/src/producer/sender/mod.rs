//! The task behind a producer: takes batches that are full or have lingered, lets the machine decide
//! what goes where, compresses, stamps, writes, and hands each answer to its batch.

mod answers;
mod order;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant as StdInstant,
};

use ottla_core::{
    cluster::Topology,
    producer::{self, Batch, Missing, Outcome, Request, RequestId, Slot, State},
};
use ottla_protocol::{
    ErrorCode,
    messages::{
        InitProducerIdRequest, ProducePartition, ProduceRequest, ProduceResponse, ProduceTopic,
    },
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use uuid::Uuid;

use answers::{ABORTED, SPOILT};
use order::Order;

use super::{
    accumulator::{Accumulator, Filling, Queue},
    batch::Held,
    load::Loads,
    packing::{Coming, Packed, Packing},
    record::{BatchOutcome, Refusal},
    settings::{Acks, Settings},
};
use crate::{
    client::Client,
    error::{Error, ErrorKind},
    metadata::{Snapshot, Wish},
    net::pool::Use,
    settings::as_millis,
};

/// The last version in which topics go by name (KIP-516).
const BY_NAME: i16 = 12;

/// What a producer asks of its task.
pub(super) enum Command {
    /// Linger no more, and say when everything taken so far is finished.
    Flush(oneshot::Sender<()>),
    /// Give up everything.
    Abort(oneshot::Sender<()>),
}

/// What becomes of an open batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Stays,
    /// It stays until it can be sent.
    Lingered,
    Closes,
}

/// What came back to the task.
enum Event {
    Produced(i32, RequestId, Result<Produced, Error>),
    ProducerId(Result<(i64, i16), ErrorCode>),
    Packed(Box<Packed>),
}

/// How a request ended well.
enum Produced {
    Answered(ProduceResponse),
    /// With `acks=0`: all of it was written.
    Written,
}

pub(super) struct Sender {
    client: Client,
    settings: Settings,
    accumulator: Arc<Accumulator>,
    machine: producer::Producer<Held>,
    packing: Packing,
    slots: HashMap<(Arc<str>, i32), Slot>,
    /// The ids of their topics, by which one that was made anew is told from the old one.
    ids: HashMap<Arc<str>, Uuid>,
    loads: Loads,
    /// Partitions whose open batch lingers, by when it has lingered enough.
    lingering: BTreeMap<(StdInstant, Slot), Arc<Queue>>,
    /// When that is, by partition.
    due: HashMap<Slot, StdInstant>,
    /// Those that have, and may be filled further until they can be sent; with when it began.
    overdue: BTreeMap<Slot, (StdInstant, Arc<Queue>)>,
    events: JoinSet<Event>,
    /// Whose turn it is to be answered.
    order: Order<Result<Produced, Error>>,
    /// How many batches are held, by number, and who waits for those up to one.
    outstanding: BTreeMap<u64, u32>,
    flushes: Vec<(u64, oneshot::Sender<()>)>,
    next_number: u64,
    /// What is known of the cluster, as far as it was taken in: nothing is sent by newer knowledge
    /// than topics made anew were noticed by (rule 17).
    topology: Arc<Topology>,
    news: watch::Receiver<Snapshot>,
}

impl Sender {
    pub(super) fn new(client: Client, settings: Settings, accumulator: Arc<Accumulator>) -> Self {
        let how = producer::Settings {
            idempotent: settings.is_idempotent(),
            max_in_flight: settings.max_in_flight,
            max_request_size: settings.max_request_size,
            delivery_timeout: settings.delivery_timeout,
            unknown_topic_timeout: settings.unknown_topic_timeout,
            retry_backoff: client.retry_backoff(),
        };
        Self {
            machine: producer::Producer::new(how, client.seeds().next()),
            packing: Packing::new(&settings),
            slots: HashMap::new(),
            ids: HashMap::new(),
            loads: Loads::new(settings.adaptive, settings.availability_timeout),
            lingering: BTreeMap::new(),
            due: HashMap::new(),
            overdue: BTreeMap::new(),
            events: JoinSet::new(),
            order: Order::default(),
            outstanding: BTreeMap::new(),
            flushes: Vec::new(),
            next_number: 0,
            topology: client.topology(),
            news: client.metadata().watch(),
            client,
            settings,
            accumulator,
        }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            self.collect();
            self.take_overdue(false);
            self.drive();
            if self.accumulator.memory.is_short() {
                // What ended just now may have been all that was on its way.
                self.collect();
            }
            if self.take_overdue(false) {
                self.drive();
            }
            self.tell_loads();
            let accumulator = self.accumulator.clone();
            let timeout = self.timeout();
            // News come last: what is done about them is done on every turn.
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.command(command),
                    None => return,
                },
                Some(event) = self.events.join_next() => {
                    // A task of ours neither panics nor is aborted while this one runs.
                    if let Ok(event) = event {
                        self.handle(event);
                    }
                }
                Ok(()) = self.news.changed() => self.take_topology(),
                () = accumulator.wake.notified() => {}
                () = sleep_until(timeout.map_or_else(Instant::now, Instant::from_std)), if timeout.is_some() => {}
            }
        }
    }

    fn timeout(&self) -> Option<StdInstant> {
        let lingering = self.lingering.keys().next().map(|(due, _)| *due);
        let out_of_time = |began: &StdInstant| *began + self.settings.delivery_timeout;
        let overdue = self.overdue.values().map(|(began, _)| out_of_time(began));
        lingering
            .into_iter()
            .chain(overdue)
            .chain(self.machine.poll_timeout())
            .chain(self.loads.poll_timeout())
            .min()
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Flush(done) => {
                self.take_all();
                self.flushes.push((self.next_number, done));
                self.answer_flushes();
            }
            Command::Abort(done) => {
                self.take_all();
                self.abort();
                self.flushes.push((self.next_number, done));
                self.answer_flushes();
            }
        }
    }

    // ---- from the accumulator into the machine ----

    fn collect(&mut self) {
        let news = self.accumulator.take_news();
        // After the news, whose topics it knows.
        if self.news.has_changed().unwrap_or(false) {
            self.take_topology();
        }
        for queue in news {
            self.take(queue, Open::Stays);
        }
        let now = Instant::now().into_std();
        let short = self.accumulator.memory.is_short();
        let keys = self.lingering.keys().copied();
        let due: Vec<_> = keys
            .take_while(|(at, _)| short || *at <= now)
            .filter(|(at, slot)| *at <= now || self.is_short(*slot))
            .collect();
        for key in due {
            if let Some(queue) = self.lingering.remove(&key) {
                self.take(queue, Open::Lingered);
            }
        }
    }

    fn take_topology(&mut self) {
        self.topology = self.news.borrow_and_update().topology.clone();
        self.notice_recreated();
        self.accumulator.resize(&self.topology);
    }

    /// Whether somebody waits for memory, and nothing of this partition is on its way, by whose end
    /// memory would come back: what is open had better be filled then.
    fn is_short(&self, slot: Slot) -> bool {
        self.accumulator.memory.is_short()
            && !self.packing.holds(slot)
            && self.machine.state(slot) == Some(State::Idle)
    }

    fn take_all(&mut self) {
        self.collect();
        for queue in std::mem::take(&mut self.lingering).into_values() {
            self.take(queue, Open::Closes);
        }
        self.due.clear();
        self.take_overdue(true);
    }

    /// Takes the open batches that have lingered and would be sent at once, or are out of time; any
    /// other is filled further until its turn comes.
    fn take_overdue(&mut self, all: bool) -> bool {
        if self.overdue.is_empty() {
            return false;
        }
        let now = Instant::now().into_std();
        let (topology, timeout) = (&self.topology, self.settings.delivery_timeout);
        let goes = |slot: &Slot, began: StdInstant| {
            let takes = || {
                let leader = |topic: &Arc<str>, n| leader(topology, topic, n);
                !self.packing.holds(*slot) && self.machine.takes(now, *slot, leader)
            };
            all || began + timeout <= now || takes()
        };
        let overdue = self.overdue.iter();
        let going: Vec<_> = overdue
            .filter(|(slot, (began, _))| goes(slot, *began))
            .map(|(slot, _)| *slot)
            .collect();
        for slot in &going {
            if let Some((_, queue)) = self.overdue.remove(slot) {
                self.take(queue, Open::Closes);
            }
        }
        !going.is_empty()
    }

    /// Takes a partition's full batches, and perhaps its open one.
    fn take(&mut self, queue: Arc<Queue>, open: Open) {
        let now = Instant::now().into_std();
        let slot = self.slot(&queue);
        // What was noted was of the batch before.
        self.overdue.remove(&slot);
        if let Some(due) = self.due.remove(&slot) {
            self.lingering.remove(&(due, slot));
        }
        let mut taken = Vec::new();
        let stays = queue.take(|_| open == Open::Closes, |filling| taken.push(filling));
        for filling in taken {
            self.hold(slot, filling);
        }
        let Some(began) = stays else { return };
        let due = began + self.settings.linger;
        if due <= now || open == Open::Lingered || self.is_short(slot) {
            self.overdue.insert(slot, (began, queue));
        } else {
            self.due.insert(slot, due);
            self.lingering.insert((due, slot), queue);
        }
    }

    fn hold(&mut self, slot: Slot, filling: Filling) {
        let number = self.next_number;
        self.next_number += 1;
        self.outstanding.insert(number, 1);
        let (count, created) = (filling.builder.count(), filling.created);
        let held = Held::new(filling, number, self.accumulator.memory.clone());
        let batch = Batch {
            payload: held,
            count,
            size: 0,
            created,
        };
        if let Some(batch) = self.packing.take(slot, batch) {
            self.enter(slot, batch);
        }
        self.run_jobs();
    }

    fn run_jobs(&mut self) {
        while let Some(job) = self.packing.poll_job() {
            self.events
                .spawn_blocking(|| Event::Packed(Box::new(job.run())));
        }
    }

    fn enter(&mut self, slot: Slot, batch: Batch<Held>) {
        if batch.payload.is_spoilt() {
            return self.finish(batch.payload, SPOILT, None);
        }
        let size = batch.payload.size();
        self.machine.handle_batch(slot, Batch { size, ..batch });
    }

    fn slot(&mut self, queue: &Arc<Queue>) -> Slot {
        let key = (queue.topic.clone(), queue.partition);
        if !self.ids.contains_key(&queue.topic) {
            let id = topic_id(&self.topology, &queue.topic);
            self.ids.insert(queue.topic.clone(), id);
        }
        let (machine, loads) = (&mut self.machine, &mut self.loads);
        *self.slots.entry(key).or_insert_with_key(|(topic, n)| {
            let slot = machine.add_partition(topic.clone(), *n);
            loads.add(slot, queue);
            slot
        })
    }

    /// Lets those who choose partitions know what waits for each.
    fn tell_loads(&mut self) {
        let now = Instant::now().into_std();
        let waiting = self.machine.waiting();
        self.loads
            .update(now, waiting, &self.topology, &self.accumulator);
    }

    // ---- from the machine to the brokers ----

    fn drive(&mut self) {
        let now = Instant::now().into_std();
        self.machine.handle_timeout(now);
        if self.machine.poll_identity(now).is_some() {
            self.ask_for_producer_id();
        }
        let topology = self.topology.clone();
        let leader = |topic: &Arc<str>, n| leader(&topology, topic, n);
        while let Some(request) = self.machine.poll_request(now, leader) {
            self.send(&request);
        }
        while self.machine.poll_stale().is_some() {
            self.client.metadata().hint(Wish::Stale);
        }
        self.finish_all(&HashMap::new());
        self.answer_flushes();
    }

    /// Cuts what was too large, and ends what is done with.
    fn finish_all(&mut self, refusals: &HashMap<Slot, Arc<Refusal>>) {
        while let Some((slot, held)) = self.machine.poll_split() {
            self.split(slot, held);
        }
        while let Some((slot, held, outcome)) = self.machine.poll_finished() {
            self.finish(held, outcome, refusals.get(&slot));
        }
    }

    fn split(&mut self, slot: Slot, held: Held) {
        tracing::info!(
            doing = held.doing(),
            bytes = held.size(),
            "too large, sent in two parts"
        );
        let number = held.number;
        let parts = match held.split() {
            Ok(parts) => parts,
            Err(held) => {
                let refused = Outcome::Refused {
                    error: ErrorCode::MESSAGE_TOO_LARGE,
                    possibly_written: false,
                };
                self.machine.handle_split(slot, Vec::new());
                return self.finish(*held, refused, None);
            }
        };
        *self.outstanding.entry(number).or_default() += parts.len() as u32 - 1;
        let created = StdInstant::now();
        let parts = parts.into_iter().map(|(mut payload, count)| {
            self.packing.pack(&mut payload);
            Batch {
                count,
                size: payload.size(),
                payload,
                created,
            }
        });
        let parts: Vec<_> = parts.collect();
        if parts.iter().any(|part| part.payload.is_spoilt()) {
            self.machine.handle_split(slot, Vec::new());
            parts
                .into_iter()
                .for_each(|part| self.finish(part.payload, SPOILT, None));
        } else {
            self.machine.handle_split(slot, parts);
        }
    }

    fn abort(&mut self) {
        let (held, coming) = self.packing.abort();
        for held in held {
            self.finish(held.payload, ABORTED, None);
        }
        // No thread may have taken them up yet, and none may for long.
        for Coming { completion, number } in coming {
            completion.finish(BatchOutcome::Failed(completion.given_up()));
            self.outstanding.remove(&number);
        }
        self.machine.abort();
        self.finish_all(&HashMap::new());
    }

    /// Topics that were deleted and made again since they were last seen.
    fn notice_recreated(&mut self) {
        for (topic, known) in &mut self.ids {
            let id = topic_id(&self.topology, topic);
            if id.is_nil() || id == *known {
                continue;
            }
            if !known.is_nil() {
                tracing::warn!(%topic, "the topic was deleted and made again");
                self.machine.handle_topic_recreated(topic);
            }
            *known = id;
        }
    }

    fn ask_for_producer_id(&mut self) {
        let client = self.client.clone();
        self.events.spawn(async move {
            let request = InitProducerIdRequest {
                transactional_id: None,
                transaction_timeout_ms: i32::MAX,
                ..InitProducerIdRequest::default()
            };
            Event::ProducerId(match client.request(request).await {
                Ok(r) if r.error_code.is_ok() => Ok((r.producer_id, r.producer_epoch)),
                Ok(r) => Err(r.error_code),
                Err(error) => {
                    tracing::warn!(%error, "no producer id");
                    Err(match error.kind() {
                        ErrorKind::Broker(code) => *code,
                        // No repetition would change these.
                        ErrorKind::Version(_) | ErrorKind::Encode(_) => {
                            ErrorCode::UNSUPPORTED_VERSION
                        }
                        _ => ErrorCode::NETWORK_EXCEPTION,
                    })
                }
            })
        });
    }

    fn send(&mut self, request: &Request) {
        let mut topics: BTreeMap<Arc<str>, Vec<ProducePartition>> = BTreeMap::new();
        for sent in &request.batches {
            let Some((topic, partition)) = self.machine.partition(sent.slot) else {
                continue;
            };
            let topic = topic.clone();
            let held = self.machine.payload(*sent);
            let Some(records) = held.and_then(|held| held.bytes(sent.stamp)) else {
                tracing::error!(%topic, partition, "a batch that cannot be stamped anew");
                let now = Instant::now().into_std();
                let code = ErrorCode::UNKNOWN_SERVER_ERROR;
                return self.machine.handle_unsendable(now, request.id, code);
            };
            let partition = ProducePartition {
                index: partition,
                records: Some(records),
            };
            topics.entry(topic).or_default().push(partition);
        }
        let topic_data: Vec<_> = topics
            .into_iter()
            .map(|(name, partition_data)| ProduceTopic {
                topic_id: topic_id(&self.topology, &name),
                name,
                partition_data,
            })
            .collect();
        // By id only when every topic has one (rule 41).
        let cap = if topic_data.iter().any(|t| t.topic_id.is_nil()) {
            BY_NAME
        } else {
            i16::MAX
        };
        self.dispatch(request, cap, topic_data);
    }

    fn dispatch(&mut self, request: &Request, cap: i16, topic_data: Vec<ProduceTopic>) {
        let timeout = self.client.request_timeout();
        let acks = self.settings.acks;
        let message = Arc::new(ProduceRequest {
            transactional_id: None,
            acks: acks.wire(),
            timeout_ms: as_millis(timeout),
            topic_data,
        });
        let (id, broker) = (request.id, request.broker);
        let link = self.client.link(broker, Use::Produce);
        self.order.sent(broker, id);
        let sending = async move {
            let answer = async {
                let link = link?;
                if acks == Acks::None {
                    let written = link.send_unanswered(message, cap, timeout).await;
                    return written.map(|()| Produced::Written);
                }
                let answer = link.request(message, cap, timeout).await;
                answer.map(Produced::Answered)
            };
            Event::Produced(broker, id, answer.await)
        };
        self.spawn_in_order(sending);
    }

    /// Polls a request once, which puts it into its link's queue, and only then gives it a task of its
    /// own. Tasks begin in no order, and requests must leave in the order they were decided in.
    fn spawn_in_order(&mut self, sending: impl Future<Output = Event> + Send + 'static) {
        let mut sending = Box::pin(tokio::task::unconstrained(sending));
        let mut nobody = Context::from_waker(Waker::noop());
        match sending.as_mut().poll(&mut nobody) {
            Poll::Ready(event) => self.events.spawn(std::future::ready(event)),
            Poll::Pending => self.events.spawn(sending),
        };
    }

    fn answer_flushes(&mut self) {
        let oldest = self
            .outstanding
            .first_key_value()
            .map_or(u64::MAX, |(n, _)| *n);
        let (done, waiting) = std::mem::take(&mut self.flushes)
            .into_iter()
            .partition(|(up_to, _)| *up_to <= oldest);
        self.flushes = waiting;
        for (_, flush) in done {
            let _: Result<_, _> = flush.send(());
        }
    }
}

/// Whoever still waits when the producer is dropped is told.
impl Drop for Sender {
    fn drop(&mut self) {
        self.accumulator.close();
        self.take_all();
        self.abort();
    }
}

fn topic_id(topology: &Topology, topic: &str) -> Uuid {
    topology.topic(topic).map_or(Uuid::nil(), |t| t.id)
}

fn leader(topology: &Topology, topic: &str, partition: i32) -> Result<i32, Missing> {
    let known = topology.topic(topic).and_then(|t| t.partition(partition));
    known.ok_or(Missing::Topic)?;
    // A topic that the last answer lacked is kept for a while, and not because the cluster knows it.
    let missing = match topology.errors.get(topic) {
        Some(error) if error.code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => Missing::Topic,
        _ => Missing::Leader,
    };
    let leader = topology.leader(topic, partition);
    leader.map(|(id, _)| id).ok_or(missing)
}

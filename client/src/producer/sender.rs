//! The task behind a producer: takes batches that are full or have lingered, lets the machine decide
//! what goes where, compresses, stamps, writes, and hands each answer to its batch.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant as StdInstant,
};

use bytes::Bytes;
use ottla_core::producer::{self, Answer, Batch, Outcome, Request, RequestId, Sent, Slot};
use ottla_protocol::{
    ErrorCode,
    messages::{
        InitProducerIdRequest, ProducePartition, ProduceRequest, ProduceResponse, ProduceTopic,
        ProducedPartition,
    },
    records::{BatchBuilder, CompressError, Compressor, ProducerStamp, SealedBatch},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use uuid::Uuid;

use super::{
    accumulator::{Accumulator, Filling, Queue},
    memory::Pooled,
    record::{BatchWritten, Completion},
    settings::{Acks, Settings},
};
use crate::{
    brokers::Use,
    client::Client,
    error::{Error, ErrorKind},
    metadata::{Snapshot, Wish},
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

/// A batch as the machine holds it.
struct Held {
    stage: Stage,
    completion: Arc<Completion>,
    pages: u32,
    number: u64,
}

enum Stage {
    Filled(BatchBuilder),
    Sealed(Bytes, ProducerStamp),
    /// Could not be compressed; it fails when it is next looked at.
    Spoilt,
}

/// What came back to the task.
enum Event {
    Produced(RequestId, Result<ProduceResponse, Error>),
    /// A request with `acks=0` was written.
    Written(RequestId, Result<(), Error>),
    ProducerId(Result<(i64, i16), ErrorCode>),
}

pub(super) struct Sender {
    client: Client,
    settings: Settings,
    accumulator: Arc<Accumulator>,
    machine: producer::Producer<Held>,
    compressor: Compressor,
    slots: HashMap<(Arc<str>, i32), Slot>,
    /// Partitions whose open batch lingers, by when it has lingered enough.
    lingering: BTreeMap<(StdInstant, Slot), Arc<Queue>>,
    events: JoinSet<Event>,
    /// Batches that are held, by number, and who waits for those up to one.
    outstanding: BTreeSet<u64>,
    flushes: Vec<(u64, oneshot::Sender<()>)>,
    next_number: u64,
    topology: watch::Receiver<Snapshot>,
}

impl Sender {
    pub(super) fn new(client: Client, settings: Settings, accumulator: Arc<Accumulator>) -> Self {
        let how = producer::Settings {
            idempotent: settings.is_idempotent(),
            max_in_flight: settings.max_in_flight,
            max_request_size: settings.max_request_size,
            delivery_timeout: settings.delivery_timeout,
            retry_backoff: client.retry_backoff(),
        };
        Self {
            machine: producer::Producer::new(how, client.seeds().next()),
            compressor: Compressor::new(settings.compression, settings.level()),
            slots: HashMap::new(),
            lingering: BTreeMap::new(),
            events: JoinSet::new(),
            outstanding: BTreeSet::new(),
            flushes: Vec::new(),
            next_number: 0,
            topology: client.metadata().watch(),
            client,
            settings,
            accumulator,
        }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            self.collect();
            self.drive();
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
                Ok(()) = self.topology.changed() => {
                    let topology = self.topology.borrow_and_update().topology.clone();
                    self.accumulator.grow(&topology);
                }
                () = accumulator.wake.notified() => {}
                () = sleep_until(timeout.map_or_else(Instant::now, Instant::from_std)), if timeout.is_some() => {}
            }
        }
    }

    fn timeout(&self) -> Option<StdInstant> {
        let lingering = self.lingering.keys().next().map(|(due, _)| *due);
        lingering
            .into_iter()
            .chain(self.machine.poll_timeout())
            .min()
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Flush(done) => {
                self.collect();
                self.take_lingering(|_| true);
                self.flushes.push((self.next_number, done));
                self.answer_flushes();
            }
            Command::Abort(done) => {
                self.collect();
                self.take_lingering(|_| true);
                self.machine.abort();
                self.drive();
                let _: Result<_, _> = done.send(());
            }
        }
    }

    // ---- from the accumulator into the machine ----

    fn collect(&mut self) {
        for queue in self.accumulator.take_news() {
            self.take(queue, |_| false);
        }
        let now = Instant::now().into_std();
        let short = self.accumulator.memory.is_short();
        self.take_lingering(|due| short || due <= now);
    }

    fn take_lingering(&mut self, due: impl Fn(StdInstant) -> bool) {
        while let Some(entry) = self.lingering.first_entry() {
            if !due(entry.key().0) {
                return;
            }
            let queue = entry.remove();
            self.take(queue, |_| true);
        }
    }

    /// Takes a partition's full batches, and its open one if it may linger no more.
    fn take(&mut self, queue: Arc<Queue>, at_once: impl Fn(StdInstant) -> bool) {
        let linger = self.settings.linger;
        let now = Instant::now().into_std();
        let slot = self.slot(&queue);
        let mut taken = Vec::new();
        let old_enough = |created| at_once(created) || created + linger <= now;
        let stays = queue.take(old_enough, |filling| taken.push(filling));
        for filling in taken {
            self.hold(slot, filling);
        }
        if let Some(created) = stays {
            self.lingering.insert((created + linger, slot), queue);
        }
    }

    fn hold(&mut self, slot: Slot, filling: Filling) {
        let Filling {
            builder,
            completion,
            created,
            pages,
        } = filling;
        let (count, size) = (builder.count(), builder.size());
        let number = self.next_number;
        self.next_number += 1;
        self.outstanding.insert(number);
        let payload = Held {
            stage: Stage::Filled(builder),
            completion,
            pages,
            number,
        };
        self.machine.handle_batch(
            slot,
            Batch {
                payload,
                count,
                size,
                created,
            },
        );
    }

    fn slot(&mut self, queue: &Queue) -> Slot {
        let key = (queue.topic.clone(), queue.partition);
        let machine = &mut self.machine;
        *self
            .slots
            .entry(key)
            .or_insert_with_key(|(topic, n)| machine.add_partition(topic.clone(), *n))
    }

    // ---- from the machine to the brokers ----

    fn drive(&mut self) {
        let now = Instant::now().into_std();
        self.machine.handle_timeout(now);
        if self.machine.poll_identity(now).is_some() {
            self.ask_for_producer_id();
        }
        let topology = self.client.topology();
        while let Some(request) = self
            .machine
            .poll_request(now, |topic, n| topology.leader(topic, n).map(|(id, _)| id))
        {
            self.send(&topology, &request);
        }
        while self.machine.poll_stale().is_some() {
            self.client.metadata().hint(Wish::Stale);
        }
        while let Some((_, held, outcome)) = self.machine.poll_finished() {
            self.finish(held, outcome);
        }
        self.answer_flushes();
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

    fn send(&mut self, topology: &ottla_core::cluster::Topology, request: &Request) {
        let mut topics: BTreeMap<Arc<str>, Vec<ProducePartition>> = BTreeMap::new();
        for sent in &request.batches {
            let Some((topic, partition)) = self.machine.partition(sent.slot) else {
                continue;
            };
            let topic = topic.clone();
            match self.bytes(*sent) {
                Ok(records) => {
                    let partition = ProducePartition {
                        index: partition,
                        records: Some(records),
                    };
                    topics.entry(topic).or_default().push(partition);
                }
                Err(error) => {
                    tracing::error!(%error, %topic, partition, "a batch cannot be compressed");
                    let now = Instant::now().into_std();
                    let code = ErrorCode::UNKNOWN_SERVER_ERROR;
                    return self.machine.handle_unsendable(now, request.id, code);
                }
            }
        }
        let id_of = |topic: &str| topology.topic(topic).map_or(Uuid::nil(), |t| t.id);
        let topic_data: Vec<_> = topics
            .into_iter()
            .map(|(name, partition_data)| ProduceTopic {
                topic_id: id_of(&name),
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
        let (id, link) = (request.id, self.client.link(request.broker, Use::Produce));
        let sending = async move {
            let link = match link {
                Ok(link) => link,
                Err(error) => return Event::Produced(id, Err(error)),
            };
            if acks == Acks::None {
                return Event::Written(id, link.send_unanswered(message, cap, timeout).await);
            }
            Event::Produced(id, link.request(message, cap, timeout).await)
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

    /// A batch as it goes on the wire: sealed the first time, the same bytes on every retry, and
    /// copied where it must be stamped anew, since the old bytes may still be on their way.
    fn bytes(&mut self, sent: Sent) -> Result<Bytes, CompressError> {
        let memory = self.accumulator.memory.clone();
        let Some(held) = self.machine.payload(sent) else {
            return Ok(Bytes::new());
        };
        let pages = held.pages;
        if let Stage::Sealed(bytes, stamp) = &held.stage
            && *stamp == sent.stamp
        {
            return Ok(bytes.clone());
        }
        let mut sealed = match std::mem::replace(&mut held.stage, Stage::Spoilt) {
            Stage::Filled(builder) => {
                let (sealed, spare) =
                    builder.seal_compressed(&mut self.compressor, memory.buffer(pages))?;
                memory.keep(spare, 0);
                sealed
            }
            Stage::Sealed(bytes, _) => match SealedBatch::copy_of(&bytes, memory.buffer(pages)) {
                Some(copy) => copy,
                None => return Ok(Bytes::new()),
            },
            Stage::Spoilt => return Ok(Bytes::new()),
        };
        sealed.stamp(sent.stamp);
        let bytes = Bytes::from_owner(Pooled::new(sealed, pages, memory));
        held.stage = Stage::Sealed(bytes.clone(), sent.stamp);
        Ok(bytes)
    }

    // ---- from the brokers back ----

    fn handle(&mut self, event: Event) {
        let now = Instant::now().into_std();
        match event {
            Event::ProducerId(answer) => self.machine.handle_identity(now, answer),
            Event::Written(id, Ok(())) => {
                let done = Answer {
                    error: ErrorCode::NONE,
                    base_offset: -1,
                    log_append_time: -1,
                    log_start_offset: -1,
                };
                self.machine.handle_response(now, id, |_| Some(done));
            }
            Event::Produced(id, Ok(response)) => self.answered(now, id, &response),
            Event::Produced(id, Err(error)) | Event::Written(id, Err(error)) => {
                tracing::debug!(%error, "a produce request got no answer");
                match error.kind() {
                    // No retry would change these.
                    ErrorKind::Version(_) | ErrorKind::Encode(_) => {
                        tracing::error!(%error, "a produce request cannot be written");
                        let code = ErrorCode::UNSUPPORTED_VERSION;
                        self.machine.handle_unsendable(now, id, code);
                    }
                    _ => self.machine.handle_lost(now, id, error.possibly_written()),
                }
            }
        }
    }

    fn answered(&mut self, now: StdInstant, id: RequestId, response: &ProduceResponse) {
        let topology = self.client.topology();
        let mut answers = HashMap::new();
        for topic in &response.responses {
            let by_id = topology.topic_by_id(topic.topic_id).map(|t| t.name.clone());
            let name = if topic.topic_id.is_nil() {
                Some(topic.name.clone())
            } else {
                by_id
            };
            let Some(name) = name else { continue };
            for partition in &topic.partition_responses {
                if !partition.error_code.is_ok() {
                    let endpoints = &response.node_endpoints;
                    let (n, leader) = (partition.index, &partition.current_leader);
                    self.client
                        .metadata()
                        .hint_leader(&name, n, leader, endpoints);
                }
                if let Some(slot) = self.slots.get(&(name.clone(), partition.index)) {
                    // The first entry counts; others for the same partition were not asked for.
                    answers.entry(*slot).or_insert_with(|| answer(partition));
                }
            }
        }
        self.machine
            .handle_response(now, id, |slot| answers.get(&slot).copied());
    }

    fn finish(&mut self, held: Held, outcome: Outcome) {
        let Held {
            stage,
            completion,
            pages,
            number,
        } = held;
        let doing = || format!("writing to {}-{}", completion.topic, completion.partition);
        let after_ms = self.settings.delivery_timeout.as_millis();
        let result = match outcome {
            Outcome::Delivered {
                base_offset,
                log_append_time,
            } => Ok(BatchWritten {
                base_offset,
                append_time: (log_append_time >= 0).then_some(log_append_time),
            }),
            Outcome::Refused {
                error,
                possibly_written,
            } => Err(unsure_if(
                possibly_written,
                ErrorKind::Broker(error),
                doing(),
            )),
            Outcome::Expired {
                possibly_written,
                last_error,
            } => {
                let last = last_error.map(|e| e.to_string());
                Err(unsure_if(
                    possibly_written,
                    ErrorKind::Timeout { after_ms, last },
                    doing(),
                ))
            }
            Outcome::Aborted { possibly_written } => {
                Err(unsure_if(possibly_written, ErrorKind::Closed, doing()))
            }
        };
        completion.finish(result);
        // The buffer first: then it lies ready for whoever waits for the pages.
        match stage {
            Stage::Filled(builder) => {
                let buffer = builder.seal().into_buffer();
                self.accumulator.memory.keep(buffer, pages);
            }
            Stage::Sealed(bytes, _) => drop(bytes),
            Stage::Spoilt => {}
        }
        self.accumulator.memory.give_back(pages);
        self.outstanding.remove(&number);
    }

    fn answer_flushes(&mut self) {
        let oldest = self.outstanding.first().copied().unwrap_or(u64::MAX);
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
        self.collect();
        self.take_lingering(|_| true);
        self.machine.abort();
        while let Some((_, held, outcome)) = self.machine.poll_finished() {
            self.finish(held, outcome);
        }
    }
}

fn unsure_if(possibly_written: bool, kind: ErrorKind, doing: String) -> Error {
    if possibly_written {
        Error::unsure(kind, doing)
    } else {
        Error::new(kind, doing)
    }
}

fn answer(p: &ProducedPartition) -> Answer {
    Answer {
        error: p.error_code,
        base_offset: p.base_offset,
        log_append_time: p.log_append_time_ms,
        log_start_offset: p.log_start_offset,
    }
}

//! The task behind a producer: takes batches that are full or have lingered, lets the machine decide
//! what goes where, compresses, stamps, writes, and hands each answer to its batch.
//!
//! - `lingering`: open batches, and when they are closed.
//! - `requests`: what the machine decided, to the brokers; `order` and `answers`: back again.
//! - `ends`: batches that are cut in two, finished or given up.
//! - `loads`: which partitions and brokers batches wait for.
//! - `topics`: the machine's slots, and what a newer topology changes.
//! - `flushes`: which calls wait for which batches.

mod answers;
mod ends;
mod flushes;
mod lingering;
mod loads;
mod order;
mod requests;
mod topics;

use std::{collections::HashMap, sync::Arc, time::Instant as StdInstant};

use ottla_core::{
    cluster::Topology,
    producer::{self, Batch, Missing, Notice, RequestId, Slot, State},
};
use ottla_protocol::{ErrorCode, messages::ProduceResponse};
use rustc_hash::FxHashMap;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use uuid::Uuid;

use answers::SPOILT;
pub(super) use flushes::Failures;
use flushes::Flushes;
use lingering::{Goes, Lingering};
use loads::Loads;
use order::Order;
use topics::KnownTopics;

use super::{
    accumulator::Accumulator,
    batch::Held,
    packing::{Packed, Packing},
    queue::{Filling, Queue},
    settings::Settings,
};
use crate::{
    client::Client,
    error::Error,
    metadata::{Snapshot, TopologyRequest},
};

/// What a producer asks of its task.
pub(super) enum Command {
    /// Linger no more, and say when everything taken so far is finished.
    Flush(oneshot::Sender<Failures>),
    /// Give up everything.
    Abort(oneshot::Sender<Failures>),
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
    ProducerId(Result<(i64, i16), Error>),
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
    topics: KnownTopics,
    loads: Loads,
    lingering: Lingering,
    flushes: Flushes,
    events: JoinSet<Event>,
    /// The answers that came before their turn.
    order: Order<Result<Produced, Error>>,
    /// What went wrong last with each broker, until it answers.
    last_errors: HashMap<i32, Error>,
    /// Why there is no producer id yet.
    identity_error: Option<Error>,
    /// What is known of the cluster, as far as it was taken in: nothing is sent by newer knowledge
    /// than recreated topics were noticed by (rule 17).
    topology: Arc<Topology>,
    snapshots: watch::Receiver<Snapshot>,
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
            topics: KnownTopics::default(),
            loads: Loads::new(settings.adaptive, settings.availability_timeout),
            lingering: Lingering::new(settings.linger, settings.delivery_timeout),
            flushes: Flushes::default(),
            events: JoinSet::new(),
            order: Order::default(),
            last_errors: HashMap::new(),
            identity_error: None,
            topology: client.topology(),
            snapshots: client.metadata().watch(),
            client,
            settings,
            accumulator,
        }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            self.collect();
            self.take_overdue();
            self.drive();
            if self.accumulator.memory.is_short() {
                // What ended just now may have been all that was on its way.
                self.collect();
            }
            if self.take_overdue() {
                self.drive();
            }
            self.take_touched();
            let now = Instant::now().into_std();
            self.loads.update(now, &self.topology, &self.accumulator);
            let accumulator = self.accumulator.clone();
            let timeout = self.timeout();
            // A newer topology comes last: what is done about it is done on every turn.
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
                Ok(()) = self.snapshots.changed() => self.take_topology(),
                () = accumulator.wake.notified() => {}
                () = sleep_until(timeout.map_or_else(Instant::now, Instant::from_std)), if timeout.is_some() => {}
            }
        }
    }

    fn timeout(&self) -> Option<StdInstant> {
        let timers = [
            self.lingering.poll_timeout(),
            self.machine.poll_timeout(),
            self.loads.poll_timeout(),
        ];
        timers.into_iter().flatten().min()
    }

    fn command(&mut self, command: Command) {
        let done = match command {
            Command::Flush(done) => {
                self.take_all();
                done
            }
            Command::Abort(done) => {
                self.take_all();
                self.abort();
                done
            }
        };
        self.flushes.wait(done);
        self.flushes.answer();
    }

    // ---- from the accumulator into the machine ----

    fn collect(&mut self) {
        let changed = self.accumulator.take_changed_queues();
        // After the partitions that changed, whose topics it knows.
        if self.snapshots.has_changed().unwrap_or(false) {
            self.take_topology();
        }
        for queue in changed {
            self.take(queue, Open::Stays);
        }
        let now = Instant::now().into_std();
        for queue in self.lingering.take_due(now) {
            self.take(queue, Open::Lingered);
        }
        if self.accumulator.memory.is_short() {
            self.take_touched();
            let (machine, packing) = (&self.machine, &self.packing);
            let idle = self
                .lingering
                .take_idle(|slot| is_idle(machine, packing, slot));
            for queue in idle {
                self.take(queue, Open::Lingered);
            }
        }
    }

    /// Takes in which partitions the machine did something to.
    fn take_touched(&mut self) {
        let now = Instant::now().into_std();
        while let Some((slot, waiting)) = self.machine.poll_waiting() {
            self.loads.count(now, slot, waiting, &self.topology);
            self.lingering.touch(slot);
        }
    }

    fn take_topology(&mut self) {
        self.topology = self.snapshots.borrow_and_update().topology.clone();
        let (machine, packing) = (&self.machine, &self.packing);
        let max_idle = self.client.metadata_max_idle();
        let changes = self.topics.update(&self.topology, max_idle, |slot| {
            is_idle(machine, packing, slot)
        });
        for topic in changes.recreated {
            tracing::warn!(%topic, "the topic was deleted and created again");
            self.machine.handle_topic_recreated(&topic);
        }
        for slot in &changes.moved {
            self.machine.handle_leader_changed(*slot);
        }
        if !changes.moved.is_empty() {
            let partitions = changes.moved.len();
            tracing::info!(
                partitions,
                "leaders changed of partitions that are written to"
            );
            self.lingering.touch_all();
        }
        self.accumulator.resize(&self.topology);
    }

    fn take_all(&mut self) {
        self.collect();
        for queue in self.lingering.take_all() {
            self.take(queue, Open::Closes);
        }
    }

    /// Takes the open batches that have lingered and would be sent at once, or are out of time; any
    /// other is filled further until its turn comes.
    fn take_overdue(&mut self) -> bool {
        self.take_touched();
        let now = Instant::now().into_std();
        let (machine, packing, topology) = (&self.machine, &self.packing, &self.topology);
        let going = self.lingering.take_overdue(
            now,
            |broker| machine.broker_takes(now, broker),
            |slot| goes(machine, packing, topology, now, slot),
        );
        let any = !going.is_empty();
        for queue in going {
            self.take(queue, Open::Closes);
        }
        any
    }

    /// Takes a partition's full batches, and perhaps its open one.
    fn take(&mut self, queue: Arc<Queue>, open: Open) {
        let now = Instant::now().into_std();
        let slot = self.slot(&queue);
        // The timer stored for this partition belonged to the batch before.
        self.lingering.remove(slot);
        let mut taken = Vec::new();
        let stays = queue.take(|_| open == Open::Closes, |filling| taken.push(filling));
        for filling in taken {
            self.hold(slot, filling);
        }
        let Some(began) = stays else { return };
        let short = || self.accumulator.memory.is_short();
        let enough =
            open == Open::Lingered || (short() && is_idle(&self.machine, &self.packing, slot));
        self.lingering.add(now, slot, queue, began, enough);
    }

    fn hold(&mut self, slot: Slot, filling: Filling) {
        let number = self.flushes.begin();
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
        let (machine, loads) = (&mut self.machine, &mut self.loads);
        self.topics.slot_or(
            &queue.topic,
            queue.at(),
            &self.topology,
            self.client.metadata(),
            || {
                let slot = machine.add_partition(queue.topic.clone(), queue.partition);
                loads.add(slot, queue);
                slot
            },
        )
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
        while let Some(topic) = self.machine.poll_stale() {
            self.topics.await_topic(&topic, self.client.metadata());
            self.client.metadata().hint(TopologyRequest::Stale);
        }
        self.report_notices();
        self.finish_all(&FxHashMap::default());
        self.flushes.answer();
    }

    fn report_notices(&mut self) {
        while let Some(notice) = self.machine.poll_notice() {
            match notice {
                Notice::Identified { id, epoch } => {
                    tracing::info!(producer_id = id, epoch, "got a producer id");
                }
                Notice::NewEpoch {
                    slot,
                    left,
                    unrecognised,
                } => {
                    let why = if unrecognised {
                        "the broker does not recognise the sequence"
                    } else {
                        "the outcome of a batch is unknown, or the topic was created again"
                    };
                    if let Some((topic, partition)) = self.machine.partition(slot) {
                        tracing::warn!(%topic, partition, left, why, "a new producer epoch begins");
                    }
                }
            }
        }
    }
}

/// Deliveries that still wait when the producer is dropped get an error.
impl Drop for Sender {
    fn drop(&mut self) {
        self.accumulator.close();
        self.take_all();
        self.abort();
    }
}

/// Whether nothing of a partition is on its way, by whose end memory would come back. While memory is
/// short its open batch is closed, for nothing else would free a page.
fn is_idle(machine: &producer::Producer<Held>, packing: &Packing, slot: Slot) -> bool {
    !packing.holds(slot) && machine.state(slot) == Some(State::Idle)
}

/// Whether an open batch that has lingered would be sent if it were closed now.
fn goes(
    machine: &producer::Producer<Held>,
    packing: &Packing,
    topology: &Topology,
    now: StdInstant,
    slot: Slot,
) -> Goes {
    if packing.holds(slot) {
        return Goes::Waits;
    }
    let leads = |topic: &Arc<str>, n| leader(topology, topic, n);
    if machine.takes(now, slot, leads) {
        return Goes::Now;
    }
    let leader = machine.partition(slot).and_then(|(t, n)| leads(t, n).ok());
    let full = leader.filter(|broker| !machine.broker_takes(now, *broker));
    full.map_or(Goes::Waits, Goes::Blocked)
}

fn topic_id(topology: &Topology, topic: &str) -> Uuid {
    topology.topic(topic).map_or(Uuid::nil(), |t| t.id)
}

fn leader(topology: &Topology, topic: &str, partition: i32) -> Result<i32, Missing> {
    let known = topology.topic(topic);
    if known.is_none() && !topology.errors.contains_key(topic) {
        // It was not asked for, or its answer is on its way: that says nothing about the topic.
        return Err(Missing::Knowledge);
    }
    let known = known.and_then(|t| t.partition(partition));
    known.ok_or(Missing::Topic)?;
    // A topic that the last answer lacked is kept for a while, and not because the cluster knows it.
    let missing = match topology.errors.get(topic) {
        Some(error) if error.code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => Missing::Topic,
        _ => Missing::Leader,
    };
    let leader = topology.leader(topic, partition);
    leader.map(|(id, _)| id).ok_or(missing)
}

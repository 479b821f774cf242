//! The producer's decisions: which batch goes to which broker, in which order, under which sequence
//! number, and what an answer means for it.
//!
//! A batch enters with [`Producer::handle_batch`] and leaves with [`Producer::poll_finished`]; in
//! between it belongs to its partition's queue, whose front part is in flight:
//!
//! ```text
//!   batches:   [ sent | sent | waiting | waiting ]
//!                ^ head        ^ next to be sent
//! ```
//!
//! Only the head may succeed or fail. When it must be retried, the partition goes back to its head
//! and sends again from there, under the same sequence numbers, once nothing of it is in flight
//! (rules 21, 22, 24). Batches are opaque: this machine neither compresses nor writes.
//!
//! An event costs what the partitions cost that it concerns: `ready` knows which have something to
//! send, `timers` which have something to wait for. Partitions that wait or are idle cost nothing.
//!
//! Longer than other files: it is the face of the machine, whose methods share its private state. What
//! they decide stands in the files beside it.

mod exchange;
mod identity;
mod partition;
#[cfg(test)]
mod tests;
mod verdict;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use ottla_protocol::{ErrorCode, records::ProducerStamp};
use rustc_hash::FxHashMap;

pub use exchange::{
    Answer, Batch, Missing, Notice, Outcome, Request, RequestId, Sent, Settings, Slot,
};
use identity::Identity;
pub use identity::InitProducerId;
pub use partition::State;
use partition::{End, Ended, Partition};
use verdict::Verdict;

use crate::{backoff::Random, failure::Failure, ready::Ready, timers::Timers};

/// The machine; see the [module](self).
#[derive(Debug)]
pub struct Producer<B> {
    settings: Settings,
    identity: Identity,
    seeds: Random,
    partitions: Vec<Partition<B>>,
    /// Partitions that hold batches.
    active: BTreeSet<Slot>,
    ready: Ready<Slot>,
    timers: Timers<Slot>,
    requests: FxHashMap<RequestId, InFlight>,
    finished: VecDeque<(Slot, B, Outcome)>,
    /// Batches that are too large for their broker.
    to_split: VecDeque<(Slot, B)>,
    /// Topics whose leaders turned out to be wrong.
    stale: BTreeSet<Arc<str>>,
    /// Partitions whose number of waiting batches may have changed.
    counted_again: BTreeSet<Slot>,
    notices: VecDeque<Notice>,
    next_request: u64,
    next_batch: u64,
}

#[derive(Debug)]
struct InFlight {
    broker: i32,
    sent: Vec<Sent>,
}

impl<B> Producer<B> {
    /// A producer with nothing to send; equal seeds wait equally long before they try again.
    #[must_use]
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            identity: Identity::new(settings.idempotent, settings.retry_backoff, seed),
            seeds: Random(seed),
            settings,
            partitions: Vec::new(),
            active: BTreeSet::new(),
            ready: Ready::default(),
            timers: Timers::default(),
            requests: FxHashMap::default(),
            finished: VecDeque::new(),
            to_split: VecDeque::new(),
            stale: BTreeSet::new(),
            counted_again: BTreeSet::new(),
            notices: VecDeque::new(),
            next_request: 0,
            next_batch: 0,
        }
    }

    /// Makes a place for a partition. Asked twice, it makes two: the caller keeps the slot.
    pub fn add_partition(&mut self, topic: Arc<str>, partition: i32) -> Slot {
        let seed = self.seeds.bits();
        self.partitions.push(Partition::new(topic, partition, seed));
        Slot(self.partitions.len() - 1)
    }

    /// The topic and partition of a slot.
    #[must_use]
    pub fn partition(&self, slot: Slot) -> Option<(&Arc<str>, i32)> {
        self.partitions.get(slot.0).map(|p| (&p.topic, p.partition))
    }

    /// Where a partition stands.
    #[must_use]
    pub fn state(&self, slot: Slot) -> Option<State> {
        self.partitions.get(slot.0).map(Partition::state)
    }

    /// Whether nothing is held: every batch has come out of [`poll_finished`](Self::poll_finished).
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.active.is_empty() && self.finished.is_empty() && self.to_split.is_empty()
    }

    /// The broker that a request was sent to, until its answer is handled.
    #[must_use]
    pub fn broker(&self, id: RequestId) -> Option<i32> {
        self.requests.get(&id).map(|request| request.broker)
    }

    /// The payload of a batch that was sent and is not finished.
    pub fn payload(&mut self, sent: Sent) -> Option<&mut B> {
        self.partitions.get_mut(sent.slot.0)?.payload(sent.batch)
    }

    /// Whether a batch that came in now would be sent at once, or would be waiting for no answer. One
    /// that would wait for an answer need not come in yet: it can be filled further.
    pub fn takes(
        &self,
        now: Instant,
        slot: Slot,
        leader: impl FnOnce(&Arc<str>, i32) -> Result<i32, Missing>,
    ) -> bool {
        let Some(partition) = self.partitions.get(slot.0) else {
            return true;
        };
        let max_in_flight = self.settings.max_in_flight;
        let broker_takes = || match leader(&partition.topic, partition.partition) {
            Ok(broker) => self.ready.takes(broker, now, max_in_flight),
            Err(_) => true,
        };
        partition.takes(max_in_flight) && broker_takes()
    }

    /// Whether a broker takes another request now.
    #[must_use]
    pub fn broker_takes(&self, now: Instant, broker: i32) -> bool {
        self.ready.takes(broker, now, self.settings.max_in_flight)
    }

    // ---- batches come in ----

    /// Takes a batch in, behind those of its partition. One that will never have a producer id is
    /// finished at once.
    pub fn handle_batch(&mut self, slot: Slot, batch: Batch<B>) {
        if let Some(error) = self.identity.refused() {
            let refused = Outcome::Refused {
                error,
                possibly_written: false,
            };
            return self.finished.push_back((slot, batch.payload, refused));
        }
        let Some(partition) = self.partitions.get_mut(slot.0) else {
            debug_assert!(false, "slots come from add_partition");
            return;
        };
        partition.push(self.next_batch, batch);
        self.next_batch += 1;
        self.active.insert(slot);
        self.settle(slot);
    }

    /// A batch of several records that its broker finds too large, to be cut into smaller ones at
    /// once; answer with [`handle_split`](Self::handle_split).
    pub fn poll_split(&mut self) -> Option<(Slot, B)> {
        self.to_split.pop_front()
    }

    /// The parts of a batch that was to be split, in order, with all of its records. They are sent
    /// in its place; when they were `created` is not looked at. No parts: the batch was given up.
    pub fn handle_split(&mut self, slot: Slot, parts: Vec<Batch<B>>) {
        let Some(partition) = self.partitions.get_mut(slot.0) else {
            return;
        };
        let numbered = (self.next_batch..).zip(parts).collect::<Vec<_>>();
        self.next_batch += numbered.len() as u64;
        if let Err(parts) = partition.put_parts(numbered) {
            let aborted = Outcome::Aborted {
                possibly_written: false,
            };
            let parts = parts
                .into_iter()
                .map(|(_, part)| (slot, part.payload, aborted.clone()));
            self.finished.extend(parts);
        }
        self.settle(slot);
    }

    // ---- who sends ----

    /// Whether a producer id must be asked for now; answer with
    /// [`handle_identity`](Self::handle_identity). Only asked for when there is something to send.
    pub fn poll_identity(&mut self, now: Instant) -> Option<InitProducerId> {
        if self.active.is_empty() {
            None
        } else {
            self.identity.poll(now)
        }
    }

    /// The answer to [`poll_identity`](Self::poll_identity). An error that may pass, and an id that is
    /// none, are asked about again after a while. An error that cannot pass fails what is held.
    pub fn handle_identity(&mut self, now: Instant, answer: Result<(i64, i16), Failure>) {
        match self.identity.handle(now, answer) {
            Err(error) => self.finish_all(&Outcome::Refused {
                error,
                possibly_written: false,
            }),
            Ok(()) => {
                let known = self.identity.current().filter(|(id, _)| *id >= 0);
                let told = known.map(|(id, epoch)| Notice::Identified { id, epoch });
                self.notices.extend(told);
            }
        }
    }

    // ---- what to send ----

    /// The next request to write, if any partition may send. `leader` says where a partition's
    /// leader is; tell [`handle_leader_changed`](Self::handle_leader_changed) when it says something
    /// else than before.
    pub fn poll_request(
        &mut self,
        now: Instant,
        mut leader: impl FnMut(&Arc<str>, i32) -> Result<i32, Missing>,
    ) -> Option<Request> {
        let identity = self.identity.current()?;
        self.expire_backoffs(now);
        loop {
            self.look_up_leaders(now, &mut leader);
            let max_in_flight = self.settings.max_in_flight;
            let broker = self.ready.next_broker(now, max_in_flight)?;
            let sent = self.fill(broker, identity, &mut leader);
            if !sent.is_empty() {
                return Some(self.request(broker, sent));
            }
        }
    }

    /// Puts each partition that may send into its leader's queue. Without a leader it backs off.
    fn look_up_leaders(
        &mut self,
        now: Instant,
        leader: &mut impl FnMut(&Arc<str>, i32) -> Result<i32, Missing>,
    ) {
        while let Some(slot) = self.ready.pop_undecided() {
            let Some(partition) = self.partitions.get_mut(slot.0) else {
                continue;
            };
            if partition.may_send(self.settings.max_in_flight).is_none() {
                continue;
            }
            match leader(&partition.topic, partition.partition) {
                Ok(broker) => self.ready.add_at(broker, slot),
                Err(missing) => {
                    self.stale.insert(partition.topic.clone());
                    partition.wait_for_leader(now, missing, &self.settings.retry_backoff);
                    self.settle(slot);
                }
            }
        }
    }

    /// One batch each of the partitions at the front of a broker's queue, up to `max.request.size`.
    fn fill(
        &mut self,
        broker: i32,
        identity: (i64, i16),
        leader: &mut impl FnMut(&Arc<str>, i32) -> Result<i32, Missing>,
    ) -> Vec<Sent> {
        let (mut sent, mut size) = (Vec::new(), 0);
        while let Some(slot) = self.ready.front(broker) {
            let Some(partition) = self.partitions.get_mut(slot.0) else {
                break;
            };
            let next = partition.may_send(self.settings.max_in_flight);
            let next = next.filter(|_| partition.may_send_to(broker));
            // A partition that waits for its own answers is queued again when they come.
            let Some(next) = next else {
                self.ready.pop(broker);
                continue;
            };
            if leader(&partition.topic, partition.partition) != Ok(broker) {
                self.ready.reconsider(slot);
                continue;
            }
            if !sent.is_empty() && size + next > self.settings.max_request_size {
                break;
            }
            self.ready.pop(broker);
            if let Some((batch, stamp)) = partition.send(broker, identity) {
                size += next;
                sent.push(Sent { slot, batch, stamp });
            }
        }
        self.ready.end_turn(broker);
        // Behind all others: each partition has its turn at being first.
        for sent in &sent {
            self.settle_at(sent.slot, Some(broker));
        }
        sent
    }

    fn request(&mut self, broker: i32, batches: Vec<Sent>) -> Request {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.ready.sent(broker);
        let sent = batches.clone();
        self.requests.insert(id, InFlight { broker, sent });
        Request {
            id,
            broker,
            batches,
        }
    }

    /// A partition has another leader, or has one again.
    pub fn handle_leader_changed(&mut self, slot: Slot) {
        self.ready.reconsider(slot);
    }

    /// A broker asks not to be sent anything until then (KIP-219, rule 10).
    pub fn handle_throttle(&mut self, broker: i32, until: Instant) {
        self.ready.throttle(broker, until);
    }

    /// Topics whose leaders must be looked up again.
    pub fn poll_stale(&mut self) -> Option<Arc<str>> {
        self.stale.pop_first()
    }

    /// The topic was deleted and created again: nothing goes on where it was (rule 17).
    pub fn handle_topic_recreated(&mut self, topic: &str) {
        for at in 0..self.partitions.len() {
            if let Some(partition) = self.partitions.get_mut(at)
                && *partition.topic == *topic
            {
                partition.leave_log();
                self.settle(Slot(at));
            }
        }
    }

    // ---- what came of it ----

    /// The answer to a request: one entry per partition. Partitions that are missing are sent again
    /// (rule 40).
    pub fn handle_response(
        &mut self,
        now: Instant,
        id: RequestId,
        answer: impl Fn(Slot) -> Option<Answer>,
    ) {
        let missing = || Verdict::Retry {
            error: Failure::Broker(ErrorCode::UNKNOWN_SERVER_ERROR),
            unknown: true,
        };
        for (sent, broker) in self.close(id) {
            let verdict = answer(sent.slot).map_or_else(missing, Verdict::of);
            self.judge(now, sent, broker, verdict);
        }
    }

    /// A request that got no answer: the connection was lost or the answer overdue.
    /// `possibly_written` is false when not a byte of it left this process (rules 5, 6).
    pub fn handle_lost(&mut self, now: Instant, id: RequestId, possibly_written: bool) {
        for (sent, broker) in self.close(id) {
            let verdict = Verdict::Retry {
                error: Failure::Lost { possibly_written },
                unknown: possibly_written,
            };
            self.judge(now, sent, broker, verdict);
        }
    }

    /// A request that could not be written at all because of what is in it: its batches fail.
    pub fn handle_unsendable(&mut self, now: Instant, id: RequestId, error: &Failure) {
        for (sent, broker) in self.close(id) {
            let verdict = Verdict::Refuse {
                error: error.clone(),
                unknown: false,
            };
            self.judge(now, sent, broker, verdict);
        }
    }

    /// Takes a request out of flight.
    fn close(&mut self, id: RequestId) -> Vec<(Sent, i32)> {
        let Some(InFlight { broker, sent }) = self.requests.remove(&id) else {
            return Vec::new();
        };
        self.ready.closed(broker);
        sent.into_iter().map(|sent| (sent, broker)).collect()
    }

    fn judge(&mut self, now: Instant, sent: Sent, broker: i32, verdict: Verdict) {
        let Some(partition) = self.partitions.get_mut(sent.slot.0) else {
            return;
        };
        if verdict.doubts_leader() {
            self.stale.insert(partition.topic.clone());
        }
        let backoff = &self.settings.retry_backoff;
        let judged = partition.judge(now, sent, broker, verdict, backoff);
        if let Some(stamp) = judged.new_epoch {
            self.bump(sent.slot, stamp, true);
        }
        match judged.ended {
            Ended::None => {}
            Ended::One(payload, end) => self.end(sent.slot, payload, end),
            Ended::Several(ended) => ended
                .into_iter()
                .for_each(|(payload, end)| self.end(sent.slot, payload, end)),
        }
        self.settle(sent.slot);
    }

    fn end(&mut self, slot: Slot, payload: B, end: End) {
        match end {
            End::Finished(outcome) => self.finished.push_back((slot, payload, outcome)),
            End::Split => self.to_split.push_back((slot, payload)),
        }
    }

    fn bump(&mut self, slot: Slot, stamp: ProducerStamp, unrecognised: bool) {
        if self.identity.bump(stamp) {
            self.notices.push_back(Notice::NewEpoch {
                slot,
                left: stamp.epoch,
                unrecognised,
            });
        }
    }

    // ---- time ----

    /// Ends what is out of time.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Settings {
            delivery_timeout,
            unknown_topic_timeout,
            ..
        } = self.settings;
        for slot in self.timers.due(now) {
            let Some(partition) = self.partitions.get_mut(slot.0) else {
                continue;
            };
            partition.expire_backoff(now);
            let ended = partition.handle_timeout(now, delivery_timeout, unknown_topic_timeout);
            let ended = ended.into_iter();
            self.finished
                .extend(ended.map(|(payload, outcome)| (slot, payload, outcome)));
            self.settle(slot);
        }
        self.ready.end_pauses(now);
    }

    /// Ends the backoffs that are over; what is out of time is left to
    /// [`handle_timeout`](Self::handle_timeout).
    fn expire_backoffs(&mut self, now: Instant) {
        for slot in self.timers.due(now) {
            if let Some(partition) = self.partitions.get_mut(slot.0) {
                partition.expire_backoff(now);
                self.settle(slot);
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) or a poll has something to do next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let identity = if self.active.is_empty() {
            None
        } else {
            self.identity.poll_timeout()
        };
        let events = self.timers.next().into_iter().chain(identity);
        events.chain(self.ready.next_pause()).min()
    }

    // ---- what comes out ----

    /// The next batch that is done with.
    pub fn poll_finished(&mut self) -> Option<(Slot, B, Outcome)> {
        self.finished.pop_front()
    }

    /// How many batches wait to be sent in a partition where that may have changed since it was last
    /// polled.
    pub fn poll_waiting(&mut self) -> Option<(Slot, usize)> {
        let slot = self.counted_again.pop_first()?;
        let waiting = self.partitions.get(slot.0).map_or(0, Partition::waiting);
        Some((slot, waiting))
    }

    /// Something for the log.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Ends everything that is held. Requests in flight may still be answered, to no effect.
    pub fn abort(&mut self) {
        self.finish_all(&Outcome::Aborted {
            possibly_written: false,
        });
    }

    fn finish_all(&mut self, outcome: &Outcome) {
        let split = std::mem::take(&mut self.to_split).into_iter();
        self.finished
            .extend(split.map(|(slot, payload)| (slot, payload, outcome.clone())));
        for slot in std::mem::take(&mut self.active) {
            let Some(partition) = self.partitions.get_mut(slot.0) else {
                continue;
            };
            for (payload, possibly_written) in partition.clear() {
                let outcome = match outcome {
                    Outcome::Refused { error, .. } => Outcome::Refused {
                        error: error.clone(),
                        possibly_written,
                    },
                    _ => Outcome::Aborted { possibly_written },
                };
                self.finished.push_back((slot, payload, outcome));
            }
            self.arm(slot);
        }
    }

    // ---- bookkeeping ----

    /// After something happened to a partition: bumps the epoch where a sequence was left open
    /// (rule 37), forgets a partition that holds nothing, and queues one that may send.
    fn settle(&mut self, slot: Slot) {
        self.settle_at(slot, None);
    }

    /// [`settle`](Self::settle) where the leader was just looked up.
    fn settle_at(&mut self, slot: Slot, leader: Option<i32>) {
        let Some(partition) = self.partitions.get_mut(slot.0) else {
            return;
        };
        if let Some(stamp) = partition.take_unresolved() {
            self.bump(slot, stamp, false);
        }
        let Some(partition) = self.partitions.get_mut(slot.0) else {
            return;
        };
        if partition.is_empty() {
            partition.rest();
            self.active.remove(&slot);
        } else if partition.may_send(self.settings.max_in_flight).is_some() {
            match leader {
                Some(leader) => self.ready.add_at(leader, slot),
                None => self.ready.add(slot),
            }
        }
        self.arm(slot);
    }

    /// Sets the timer of a partition, and notes that its batches must be counted again.
    fn arm(&mut self, slot: Slot) {
        let Settings {
            delivery_timeout,
            unknown_topic_timeout,
            ..
        } = self.settings;
        let partition = self.partitions.get(slot.0);
        let active = partition.filter(|_| self.active.contains(&slot));
        let next = active.and_then(|p| p.next_event(delivery_timeout, unknown_topic_timeout));
        self.timers.set(slot, next);
        self.counted_again.insert(slot);
    }
}

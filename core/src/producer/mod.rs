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

mod exchange;
mod identity;
mod partition;
#[cfg(test)]
mod tests;
mod verdict;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use ottla_protocol::ErrorCode;

pub use exchange::{Answer, Batch, Missing, Outcome, Request, RequestId, Sent, Settings, Slot};
use identity::Identity;
pub use identity::InitProducerId;
pub use partition::State;
use partition::{End, Partition};
use verdict::Verdict;

use crate::backoff::Random;

/// The machine; see the [module](self).
#[derive(Debug)]
pub struct Producer<B> {
    settings: Settings,
    identity: Identity,
    seeds: Random,
    partitions: Vec<Partition<B>>,
    /// Partitions that hold batches.
    active: BTreeSet<Slot>,
    requests: HashMap<RequestId, InFlight>,
    brokers: HashMap<i32, Broker>,
    /// Where the next request begins to look for batches, so that every partition has its turn.
    turn: Slot,
    finished: VecDeque<(Slot, B, Outcome)>,
    /// Batches that are too large for their broker.
    to_split: VecDeque<(Slot, B)>,
    /// Topics whose leaders turned out to be wrong.
    stale: BTreeSet<Arc<str>>,
    next_request: u64,
    next_batch: u64,
}

#[derive(Debug)]
struct InFlight {
    broker: i32,
    sent: Vec<Sent>,
}

#[derive(Debug, Default)]
struct Broker {
    in_flight: usize,
    /// It asked not to be sent anything before (KIP-219).
    throttled_until: Option<Instant>,
}

impl Broker {
    fn takes(&self, now: Instant, max_in_flight: usize) -> bool {
        self.in_flight < max_in_flight && self.throttled_until.is_none_or(|until| until <= now)
    }
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
            requests: HashMap::new(),
            brokers: HashMap::new(),
            turn: Slot(0),
            finished: VecDeque::new(),
            to_split: VecDeque::new(),
            stale: BTreeSet::new(),
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
    }

    /// The payload of a batch that was sent and is not finished.
    pub fn payload(&mut self, sent: Sent) -> Option<&mut B> {
        self.partitions.get_mut(sent.slot.0)?.payload(sent.batch)
    }

    /// How many batches wait to be sent, by partition, where any do.
    pub fn waiting(&self) -> impl Iterator<Item = (Slot, usize)> {
        self.active.iter().filter_map(|slot| {
            let waiting = self.partitions.get(slot.0)?.waiting();
            (waiting > 0).then_some((*slot, waiting))
        })
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
            Ok(broker) => {
                let broker = self.brokers.get(&broker);
                broker.is_none_or(|b| b.takes(now, max_in_flight))
            }
            Err(_) => true,
        };
        partition.takes(max_in_flight) && broker_takes()
    }

    /// The broker that a request was sent to, until its answer is handled.
    #[must_use]
    pub fn broker(&self, id: RequestId) -> Option<i32> {
        self.requests.get(&id).map(|request| request.broker)
    }

    /// Whether nothing is held: every batch has come out of [`poll_finished`](Self::poll_finished).
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.active.is_empty() && self.finished.is_empty() && self.to_split.is_empty()
    }

    /// Whether a producer id must be asked for now; answer with
    /// [`handle_identity`](Self::handle_identity). Only asked for when there is something to send.
    pub fn poll_identity(&mut self, now: Instant) -> Option<InitProducerId> {
        if self.active.is_empty() {
            None
        } else {
            self.identity.poll(now)
        }
    }

    /// The answer to [`poll_identity`](Self::poll_identity); an error is tried again after a while.
    /// One that cannot pass fails what is held.
    pub fn handle_identity(&mut self, now: Instant, answer: Result<(i64, i16), ErrorCode>) {
        if let Err(fatal) = self.identity.handle(now, answer) {
            self.finish_all(Outcome::Refused {
                error: fatal,
                possibly_written: false,
            });
        }
    }

    /// The next request to write, if any partition may send. `leader` says where a partition's
    /// leader is.
    pub fn poll_request(
        &mut self,
        now: Instant,
        mut leader: impl FnMut(&Arc<str>, i32) -> Result<i32, Missing>,
    ) -> Option<Request> {
        let identity = self.identity.current()?;
        let max_in_flight = self.settings.max_in_flight;
        let mut request: Option<Request> = None;
        let mut size = 0;
        let (before, after) = (..self.turn, self.turn..);
        for &slot in self.active.range(after).chain(self.active.range(before)) {
            let Some(partition) = self.partitions.get_mut(slot.0) else {
                continue;
            };
            let Some(next) = partition.may_send(now, max_in_flight) else {
                continue;
            };
            let broker = match leader(&partition.topic, partition.partition) {
                Ok(broker) => broker,
                Err(missing) => {
                    self.stale.insert(partition.topic.clone());
                    partition.wait_for_leader(now, missing, &self.settings.retry_backoff);
                    continue;
                }
            };
            let takes = self
                .brokers
                .entry(broker)
                .or_default()
                .takes(now, max_in_flight);
            let other = request.as_ref().is_some_and(|r| r.broker != broker);
            let full = request.is_some() && size + next > self.settings.max_request_size;
            if !takes || other || full || !partition.may_send_to(broker) {
                continue;
            }
            let Some((batch, stamp)) = partition.send(broker, identity) else {
                continue;
            };
            size += next;
            let id = RequestId(self.next_request);
            let to = request.get_or_insert_with(|| Request {
                id,
                broker,
                batches: Vec::new(),
            });
            to.batches.push(Sent { slot, batch, stamp });
        }
        let request = request?;
        self.next_request += 1;
        self.turn = request
            .batches
            .first()
            .map_or(Slot(0), |sent| Slot(sent.slot.0 + 1));
        self.brokers.entry(request.broker).or_default().in_flight += 1;
        let sent = request.batches.clone();
        self.requests.insert(
            request.id,
            InFlight {
                broker: request.broker,
                sent,
            },
        );
        Some(request)
    }

    /// A broker asks not to be sent anything until then (KIP-219, rule 10).
    pub fn handle_throttle(&mut self, broker: i32, until: Instant) {
        let throttled = &mut self.brokers.entry(broker).or_default().throttled_until;
        *throttled = (*throttled).max(Some(until));
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
                .map(|(_, part)| (slot, part.payload, aborted));
            self.finished.extend(parts);
        }
        self.settle(slot);
    }

    /// The topic was deleted and made again: nothing goes on where it was (rule 17).
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

    /// Where a partition stands.
    #[must_use]
    pub fn state(&self, slot: Slot) -> Option<State> {
        self.partitions.get(slot.0).map(Partition::state)
    }

    /// The answer to a request: one entry per partition. Partitions that are missing are sent again
    /// (rule 40).
    pub fn handle_response(
        &mut self,
        now: Instant,
        id: RequestId,
        answer: impl Fn(Slot) -> Option<Answer>,
    ) {
        for (sent, broker) in self.close(id) {
            let verdict = match answer(sent.slot) {
                Some(answer) => Verdict::of(answer),
                None => Verdict::Retry {
                    error: ErrorCode::UNKNOWN_SERVER_ERROR,
                    unknown: true,
                },
            };
            self.judge(now, sent, broker, verdict);
        }
    }

    /// A request that got no answer: the connection was lost or the answer overdue.
    /// `possibly_written` is false when not a byte of it left this process (rules 5, 6).
    pub fn handle_lost(&mut self, now: Instant, id: RequestId, possibly_written: bool) {
        let error = ErrorCode::NETWORK_EXCEPTION;
        for (sent, broker) in self.close(id) {
            self.judge(
                now,
                sent,
                broker,
                Verdict::Retry {
                    error,
                    unknown: possibly_written,
                },
            );
        }
    }

    /// A request that could not be written at all because of what is in it: its batches fail.
    pub fn handle_unsendable(&mut self, now: Instant, id: RequestId, error: ErrorCode) {
        for (sent, broker) in self.close(id) {
            self.judge(now, sent, broker, Verdict::refuse(error));
        }
    }

    /// Ends what is out of time.
    pub fn handle_timeout(&mut self, now: Instant) {
        for slot in self.active.clone() {
            let Some(partition) = self.partitions.get_mut(slot.0) else {
                continue;
            };
            partition.wake(now);
            let ended = partition.handle_timeout(
                now,
                self.settings.delivery_timeout,
                self.settings.unknown_topic_timeout,
            );
            let ended = ended.into_iter();
            self.finished
                .extend(ended.map(|(payload, outcome)| (slot, payload, outcome)));
            self.settle(slot);
        }
        for broker in self.brokers.values_mut() {
            broker.throttled_until = broker.throttled_until.filter(|until| *until > now);
        }
    }

    fn end(&mut self, slot: Slot, payload: B, end: End) {
        match end {
            End::Finished(outcome) => self.finished.push_back((slot, payload, outcome)),
            End::Split => self.to_split.push_back((slot, payload)),
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) or a poll has something to do next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let partitions = self
            .active
            .iter()
            .filter_map(|slot| self.partitions.get(slot.0));
        let Settings {
            delivery_timeout,
            unknown_topic_timeout,
            ..
        } = self.settings;
        let events =
            partitions.filter_map(|p| p.next_event(delivery_timeout, unknown_topic_timeout));
        let identity = if self.active.is_empty() {
            None
        } else {
            self.identity.poll_timeout()
        };
        let throttles = self.brokers.values().filter_map(|b| b.throttled_until);
        events.chain(identity).chain(throttles).min()
    }

    /// The next batch that is done with.
    pub fn poll_finished(&mut self) -> Option<(Slot, B, Outcome)> {
        self.finished.pop_front()
    }

    /// Topics whose leaders must be looked up again.
    pub fn poll_stale(&mut self) -> Option<Arc<str>> {
        self.stale.pop_first()
    }

    /// Ends everything that is held. Requests in flight may still be answered, to no effect.
    pub fn abort(&mut self) {
        self.finish_all(Outcome::Aborted {
            possibly_written: false,
        });
    }

    fn finish_all(&mut self, outcome: Outcome) {
        let split = std::mem::take(&mut self.to_split).into_iter();
        self.finished
            .extend(split.map(|(slot, payload)| (slot, payload, outcome)));
        for slot in std::mem::take(&mut self.active) {
            let Some(partition) = self.partitions.get_mut(slot.0) else {
                continue;
            };
            for (payload, possibly_written) in partition.clear() {
                let outcome = match outcome {
                    Outcome::Refused { error, .. } => Outcome::Refused {
                        error,
                        possibly_written,
                    },
                    _ => Outcome::Aborted { possibly_written },
                };
                self.finished.push_back((slot, payload, outcome));
            }
        }
    }

    /// Takes a request out of flight.
    fn close(&mut self, id: RequestId) -> Vec<(Sent, i32)> {
        let Some(InFlight { broker, sent }) = self.requests.remove(&id) else {
            return Vec::new();
        };
        if let Some(broker) = self.brokers.get_mut(&broker) {
            broker.in_flight = broker.in_flight.saturating_sub(1);
        }
        sent.into_iter().map(|sent| (sent, broker)).collect()
    }

    fn judge(&mut self, now: Instant, sent: Sent, broker: i32, verdict: Verdict) {
        let Some(partition) = self.partitions.get_mut(sent.slot.0) else {
            return;
        };
        if verdict.leader_is_wrong() {
            self.stale.insert(partition.topic.clone());
        }
        if verdict == Verdict::NewEpoch && partition.acts_on(sent.batch) {
            self.identity.bump(sent.stamp);
        }
        let backoff = &self.settings.retry_backoff;
        if let Some((payload, end)) = partition.judge(now, sent, broker, verdict, backoff) {
            self.end(sent.slot, payload, end);
        }
        self.settle(sent.slot);
    }

    /// After a batch left: bumps the epoch where a sequence was left open (rule 37), and forgets
    /// partitions that hold nothing.
    fn settle(&mut self, slot: Slot) {
        let Some(partition) = self.partitions.get_mut(slot.0) else {
            return;
        };
        if let Some(stamp) = partition.take_unresolved() {
            self.identity.bump(stamp);
        }
        if partition.is_empty() {
            partition.rest();
            self.active.remove(&slot);
        }
    }
}

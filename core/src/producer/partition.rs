//! One partition's batches: in which order they go out, and what an answer does to them.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use ottla_protocol::{ErrorCode, records::ProducerStamp};

use super::{
    Batch, Missing, Outcome, Sent,
    verdict::{Verdict, is_hosts, is_too_large, is_unknown},
};
use crate::backoff::{Attempts, Backoff};

/// What becomes of a batch that leaves its partition.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Finished(Outcome),
    /// Too large for the broker: it comes back in parts.
    Split,
}

/// Where a partition stands, for tests and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It holds nothing.
    Idle,
    /// Batches wait, and may be sent.
    Ready,
    /// One batch is out to a broker that has not acknowledged any yet (rule 26).
    Proving,
    /// Batches are out, in order.
    Pipelining,
    /// What is out must be answered before all is sent again from the head.
    GoingBack,
    /// A retry is due later.
    BackingOff,
    /// A sequence is open: what was sent is found out about, and then a new epoch begins (rule 37).
    Unresolved,
    /// The head is being cut into smaller batches.
    Splitting,
}

#[derive(Debug)]
struct Queued<B> {
    id: u64,
    batch: Batch<B>,
    /// Who it is sent as, from its first sending on (rule 21).
    stamp: Option<ProducerStamp>,
    /// Its answer is outstanding.
    in_flight: bool,
    /// A broker may have written it, as far as the answers before tell.
    possibly_written: bool,
}

impl<B> Queued<B> {
    /// Whether a broker may have written it.
    const fn may_be_written(&self) -> bool {
        self.possibly_written || self.in_flight
    }

    /// Whether it may yet turn up under the stamp that it has.
    const fn is_open(&self) -> bool {
        self.stamp.is_some() && self.may_be_written()
    }
}

#[derive(Debug)]
pub(super) struct Partition<B> {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    batches: VecDeque<Queued<B>>,
    /// How many of them, from the head on, were sent since the partition last went back.
    sent: usize,
    /// How many answers are outstanding, to batches that are still here or not.
    outstanding: usize,
    /// Where those were sent.
    broker: Option<i32>,
    /// Whether that broker has acknowledged a batch of ours (rule 26).
    proven: bool,
    /// The head must be sent again, once nothing is outstanding.
    going_back: bool,
    /// The producer id and epoch that the sequence belongs to.
    identity: Option<(i64, i16)>,
    sequence: i32,
    /// A batch was given up while its outcome was unknown, so the sequence is (rule 37).
    unresolved: Option<ProducerStamp>,
    /// The head was taken out to be split: when it was created, and who it was sent as.
    splitting: Option<(Instant, ProducerStamp)>,
    /// When the topic was first found to be unknown, since the last success (rule 39).
    unknown_since: Option<Instant>,
    not_before: Option<Instant>,
    attempts: Attempts,
    last_error: Option<ErrorCode>,
}

impl<B> Partition<B> {
    pub(super) fn new(topic: Arc<str>, partition: i32, seed: u64) -> Self {
        Self {
            topic,
            partition,
            batches: VecDeque::new(),
            sent: 0,
            outstanding: 0,
            broker: None,
            proven: false,
            going_back: false,
            identity: None,
            sequence: 0,
            unresolved: None,
            splitting: None,
            unknown_since: None,
            not_before: None,
            attempts: Attempts::new(seed),
            last_error: None,
        }
    }

    pub(super) fn push(&mut self, id: u64, batch: Batch<B>) {
        if self.batches.is_empty() {
            self.unknown_since = None;
        }
        self.batches.push_back(Queued {
            id,
            batch,
            stamp: None,
            in_flight: false,
            possibly_written: false,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.splitting.is_none()
    }

    pub(super) fn state(&self) -> State {
        match self {
            _ if self.splitting.is_some() => State::Splitting,
            _ if self.unresolved.is_some() => State::Unresolved,
            _ if self.going_back && self.outstanding > 0 => State::GoingBack,
            _ if self.not_before.is_some() => State::BackingOff,
            _ if self.outstanding > 0 && self.proven => State::Pipelining,
            _ if self.outstanding > 0 => State::Proving,
            _ if self.is_empty() => State::Idle,
            _ => State::Ready,
        }
    }

    /// Whether another batch would wait for no answer.
    pub(super) fn takes(&self, max_in_flight: usize) -> bool {
        let window = if self.proven { max_in_flight } else { 1 };
        let blocked = self.going_back || self.unresolved.is_some() || self.outstanding >= window;
        self.waiting() == 0 && !(self.outstanding > 0 && blocked)
    }

    /// How many batches are yet to be sent, or to be sent again.
    pub(super) fn waiting(&self) -> usize {
        let sent = if self.going_back { 0 } else { self.sent };
        self.batches.len().saturating_sub(sent)
    }

    pub(super) fn payload(&mut self, id: u64) -> Option<&mut B> {
        self.batches
            .iter_mut()
            .find(|q| q.id == id)
            .map(|q| &mut q.batch.payload)
    }

    /// The size of the batch that may be sent next, if one may.
    pub(super) fn may_send(&mut self, now: Instant, max_in_flight: usize) -> Option<usize> {
        if self.going_back {
            if self.outstanding > 0 {
                return None;
            }
            self.going_back = false;
            self.sent = 0;
        }
        let window = if self.proven { max_in_flight } else { 1 };
        self.wake(now);
        let waits = self.not_before.is_some() || self.splitting.is_some();
        if waits || self.outstanding >= window {
            return None;
        }
        let next = self.batches.get(self.sent)?;
        // Behind an unresolved sequence only that is sent whose outcome must be found out (rule 37).
        let waits = self.unresolved.is_some() && next.stamp.is_none();
        (!waits).then_some(next.batch.size)
    }

    /// Whether nothing is outstanding on another broker (rule 27).
    pub(super) fn may_send_to(&self, broker: i32) -> bool {
        self.outstanding == 0 || self.broker == Some(broker)
    }

    /// Marks the next batch as sent and says who it is sent as.
    pub(super) fn send(
        &mut self,
        broker: i32,
        identity: (i64, i16),
    ) -> Option<(u64, ProducerStamp)> {
        let stamped = self.batches.get(self.sent)?.stamp;
        let starts_anew = stamped.is_none() && self.identity != Some(identity);
        // What is out under the old epoch comes first (rules 27, 32).
        if starts_anew && self.outstanding > 0 {
            return None;
        }
        if starts_anew {
            self.identity = Some(identity);
            self.sequence = 0;
            self.proven = false;
        }
        if self.broker != Some(broker) {
            self.broker = Some(broker);
            self.proven = false;
        }
        let next = self.batches.get_mut(self.sent)?;
        let stamp = *next.stamp.get_or_insert_with(|| {
            let (id, epoch) = identity;
            let sequence = if id < 0 { -1 } else { self.sequence };
            self.sequence = advance(self.sequence, next.batch.count);
            ProducerStamp {
                id,
                epoch,
                sequence,
                transactional: false,
            }
        });
        let id = next.id;
        next.in_flight = true;
        self.sent += 1;
        self.outstanding += 1;
        Some((id, stamp))
    }

    pub(super) fn wait_for_leader(&mut self, now: Instant, missing: Missing, backoff: &Backoff) {
        self.note(now, missing.error());
        if missing == Missing::Leader {
            // The cluster knows it.
            self.unknown_since = None;
        }
        self.back_off(now, backoff);
    }

    fn note(&mut self, now: Instant, error: ErrorCode) {
        self.last_error = Some(error);
        if is_unknown(error) {
            self.unknown_since.get_or_insert(now);
        } else if is_hosts(error) {
            self.unknown_since = None;
        }
    }

    /// Nothing is left that would have to wait.
    pub(super) fn rest(&mut self) {
        self.not_before = None;
    }

    /// Ends a wait that is over, whether or not something may be sent then.
    pub(super) fn wake(&mut self, now: Instant) {
        self.not_before = self.not_before.filter(|at| *at > now);
    }

    fn back_off(&mut self, now: Instant, backoff: &Backoff) {
        self.not_before = Some(now + self.attempts.delay(backoff));
    }

    /// Whether an answer to this batch means anything: only the head's does, while the chain holds.
    pub(super) fn acts_on(&self, batch: u64) -> bool {
        !self.going_back && self.batches.front().is_some_and(|head| head.id == batch)
    }

    /// Takes in what was decided about a batch; returns it when it is done with. Only the head can
    /// be: a chain that is broken before a batch says nothing about it (rule 22).
    pub(super) fn judge(
        &mut self,
        now: Instant,
        sent: Sent,
        broker: i32,
        verdict: Verdict,
        backoff: &Backoff,
    ) -> Option<(B, End)> {
        self.outstanding = self.outstanding.saturating_sub(1);
        let at = self.batches.iter().position(|q| q.id == sent.batch)?;
        let acts_on = self.acts_on(sent.batch);
        if let Some(queued) = self.batches.get_mut(at) {
            queued.in_flight = false;
            queued.possibly_written |= match verdict {
                Verdict::Retry { unknown, .. } | Verdict::Refuse { unknown, .. } => unknown,
                // Written, though its turn to be acknowledged has not come.
                Verdict::Done { .. } => !acts_on,
                Verdict::NewEpoch => false,
            };
        }
        if !acts_on {
            self.going_back = true;
            return self.take_unordered(at, verdict);
        }
        match verdict {
            Verdict::Done {
                base_offset,
                log_append_time,
            } => {
                self.proven |= self.broker == Some(broker);
                self.attempts.reset();
                self.last_error = None;
                self.unknown_since = None;
                self.take_head(Outcome::Delivered {
                    base_offset,
                    log_append_time,
                })
            }
            Verdict::Retry { error, .. } => {
                self.note(now, error);
                self.going_back = true;
                self.back_off(now, backoff);
                None
            }
            Verdict::NewEpoch => {
                self.going_back = true;
                self.restart_sequence();
                self.back_off(now, backoff);
                None
            }
            Verdict::Refuse { error, .. } if is_too_large(error) && self.may_split() => {
                self.split()
            }
            Verdict::Refuse { error, .. } => self.refuse(error, sent.stamp),
        }
    }

    /// Nobody counts the batches of a producer without an id: one that is written is written, and to
    /// send it again with those in front of it would double it.
    fn take_unordered(&mut self, at: usize, verdict: Verdict) -> Option<(B, End)> {
        let Verdict::Done {
            base_offset,
            log_append_time,
        } = verdict
        else {
            return None;
        };
        self.batches
            .get(at)
            .filter(|q| q.stamp == Some(ProducerStamp::NONE))?;
        let queued = self.batches.remove(at)?;
        self.sent = self.sent.saturating_sub(1);
        let outcome = Outcome::Delivered {
            base_offset,
            log_append_time,
        };
        Some((queued.batch.payload, End::Finished(outcome)))
    }

    /// Whether the head has several records of which none may be written.
    fn may_split(&self) -> bool {
        let head = self.batches.front();
        head.is_some_and(|q| q.batch.count > 1 && !q.possibly_written)
    }

    /// Takes the head out to be split. Nothing is sent until its parts are here.
    fn split(&mut self) -> Option<(B, End)> {
        let head = self.batches.pop_front()?;
        self.sent = self.sent.saturating_sub(1);
        self.going_back = true;
        self.splitting = Some((head.batch.created, head.stamp?));
        Some((head.batch.payload, End::Split))
    }

    /// The parts of the batch that was to be split. They share out its sequence numbers, so what
    /// stands behind them keeps its own. None at all means that it was given up. What is not expected
    /// comes back.
    pub(super) fn put_parts(
        &mut self,
        parts: Vec<(u64, Batch<B>)>,
    ) -> Result<(), Vec<(u64, Batch<B>)>> {
        let Some((created, mut stamp)) = self.splitting.take() else {
            return Err(parts);
        };
        if parts.is_empty() {
            self.leave_sequence(stamp, false);
            return Ok(());
        }
        let mut queued = VecDeque::with_capacity(parts.len() + self.batches.len());
        for (id, batch) in parts {
            let count = batch.count;
            queued.push_back(Queued {
                id,
                batch: Batch { created, ..batch },
                stamp: Some(stamp),
                in_flight: false,
                possibly_written: false,
            });
            if stamp.id >= 0 {
                stamp.sequence = advance(stamp.sequence, count);
            }
        }
        queued.append(&mut self.batches);
        self.batches = queued;
        Ok(())
    }

    /// The head is refused for good (rule 28).
    fn refuse(&mut self, error: ErrorCode, stamp: ProducerStamp) -> Option<(B, End)> {
        self.going_back = true;
        let possibly_written = self.batches.front()?.possibly_written;
        let head = self.take_head(Outcome::Refused {
            error,
            possibly_written,
        });
        self.leave_sequence(stamp, possibly_written);
        head
    }

    fn take_head(&mut self, outcome: Outcome) -> Option<(B, End)> {
        Some((self.pop_head()?, End::Finished(outcome)))
    }

    fn pop_head(&mut self) -> Option<B> {
        let head = self.batches.pop_front()?;
        self.sent = self.sent.saturating_sub(1);
        Some(head.batch.payload)
    }

    /// Under a new epoch the first sequence is zero. What was sent under the old one was refused
    /// for being out of order behind the head, so it is not in the log.
    fn restart_sequence(&mut self) {
        self.identity = None;
        for queued in &mut self.batches {
            queued.stamp = None;
        }
    }

    /// The head was given up. Its sequence goes to the next, and all behind it move up (rule 29),
    /// unless it may be used up already, or something may yet turn up under a sequence behind it.
    fn leave_sequence(&mut self, given_up: ProducerStamp, possibly_written: bool) {
        if given_up.id < 0 || self.identity != Some((given_up.id, given_up.epoch)) {
            return;
        }
        if possibly_written || self.batches.iter().any(Queued::is_open) {
            self.unresolved = Some(given_up);
            return;
        }
        self.sequence = given_up.sequence;
        for queued in &mut self.batches {
            queued.stamp = None;
        }
    }

    /// The topic is another one of the same name: sequences do not go on (rule 17). What may be
    /// written is found out about under the old ones first, one by one: a new log takes any of them
    /// for the first (rule 26).
    pub(super) fn leave_log(&mut self) {
        self.proven = false;
        // What is still acknowledged was written to the old log, and proves nothing.
        self.broker = None;
        if let Some((id, epoch)) = self.identity.filter(|(id, _)| *id >= 0) {
            self.unresolved.get_or_insert(ProducerStamp {
                id,
                epoch,
                sequence: self.sequence,
                transactional: false,
            });
        }
    }

    /// What is given up by now: the heads that are out of time, and everything when the topic has
    /// been unknown for too long.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        timeout: Duration,
        unknown: Duration,
    ) -> Vec<(B, Outcome)> {
        if self
            .unknown_since
            .is_some_and(|since| since + unknown <= now)
        {
            return self.give_up_unknown();
        }
        std::iter::from_fn(|| self.expire(now, timeout)).collect()
    }

    fn give_up_unknown(&mut self) -> Vec<(B, Outcome)> {
        self.unknown_since = None;
        self.not_before = None;
        self.leave_log();
        let refused = |possibly_written| Outcome::Refused {
            error: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            possibly_written,
        };
        self.clear()
            .map(|(payload, possibly_written)| (payload, refused(possibly_written)))
            .collect()
    }

    /// Gives the head up when it is out of time.
    fn expire(&mut self, now: Instant, timeout: Duration) -> Option<(B, Outcome)> {
        let head = self.batches.front()?;
        if head.batch.created + timeout > now {
            return None;
        }
        let (stamp, possibly_written) = (head.stamp, head.may_be_written());
        let last_error = self.last_error;
        self.going_back |= self.outstanding > 0;
        let head = self.pop_head()?;
        if let Some(stamp) = stamp {
            self.leave_sequence(stamp, possibly_written);
        }
        let outcome = Outcome::Expired {
            possibly_written,
            last_error,
        };
        Some((head, outcome))
    }

    /// The stamp whose epoch must be left behind, once all that was sent under it is known to be
    /// written or not: under a new epoch nobody would recognise it.
    pub(super) fn take_unresolved(&mut self) -> Option<ProducerStamp> {
        if self.outstanding > 0
            || self.splitting.is_some()
            || self.batches.iter().any(Queued::is_open)
        {
            return None;
        }
        let stamp = self.unresolved.take()?;
        self.sent = 0;
        self.going_back = false;
        self.restart_sequence();
        Some(stamp)
    }

    /// Everything that is held, with whether it may have been written.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = (B, bool)> {
        self.sent = 0;
        self.splitting = None;
        self.going_back = self.outstanding > 0;
        std::mem::take(&mut self.batches).into_iter().map(|q| {
            let may_be_written = q.may_be_written();
            (q.batch.payload, may_be_written)
        })
    }

    /// When something happens by itself. `timeout` is for a batch, `unknown` for its topic.
    pub(super) fn next_event(&self, timeout: Duration, unknown: Duration) -> Option<Instant> {
        let expiry = self.batches.front().map(|q| q.batch.created + timeout);
        let given_up = self.unknown_since.map(|since| since + unknown);
        let events = expiry.into_iter().chain(given_up).chain(self.not_before);
        events.min()
    }
}

/// Sequence numbers count records and wrap to zero (rule 20).
pub(super) fn advance(sequence: i32, records: u32) -> i32 {
    ((i64::from(sequence) + i64::from(records)) % (i64::from(i32::MAX) + 1)) as i32
}

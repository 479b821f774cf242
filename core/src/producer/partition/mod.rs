//! One partition's batches: in which order they go out, and what an answer does to them.
//!
//! - `queue`: one batch that waits or is in flight.
//! - `chain`: what is in flight, and whether it is still in order.
//! - `sequence`: which sequence number comes next.
//! - `retry`: when to try again, and what was wrong.
//! - `judge`: what an answer does to the batch and to those behind it.

mod chain;
mod judge;
mod queue;
mod retry;
mod sequence;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use ottla_protocol::{ErrorCode, records::ProducerStamp};

use super::{Batch, Missing, Outcome};
use crate::{backoff::Backoff, failure::Failure};
use chain::{Chain, Window};
pub(super) use judge::Ended;
use queue::Queued;
use retry::Retry;
#[cfg(test)]
pub(super) use sequence::advance;
use sequence::{Sequence, advance as advance_sequence};

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
    /// Everything that is out must be answered before all is sent again from the head.
    GoingBack,
    /// A retry is due later.
    BackingOff,
    /// A sequence is open: batches already sent run to a known outcome, then a new epoch begins
    /// (rule 37).
    Unresolved,
    /// The head is being cut into smaller batches.
    Splitting,
    /// The broker does not recognise the head: batches behind it are repeated, from the last on, to
    /// learn whether it is written.
    Tracing,
}

#[derive(Debug)]
pub(super) struct Partition<B> {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    batches: VecDeque<Queued<B>>,
    window: Window,
    chain: Chain,
    sequence: Sequence,
    retry: Retry,
}

impl<B> Partition<B> {
    pub(super) fn new(topic: Arc<str>, partition: i32, seed: u64) -> Self {
        Self {
            topic,
            partition,
            batches: VecDeque::new(),
            window: Window::default(),
            chain: Chain::NEW,
            sequence: Sequence::Unstarted,
            retry: Retry::new(seed),
        }
    }

    pub(super) fn push(&mut self, id: u64, batch: Batch<B>) {
        if self.batches.is_empty() {
            self.retry.begin();
        }
        self.batches.push_back(Queued::new(id, batch, None));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty() && !self.is_splitting()
    }

    const fn is_splitting(&self) -> bool {
        matches!(self.chain, Chain::Splitting { .. })
    }

    pub(super) fn state(&self) -> State {
        let out = !self.window.is_empty();
        match self.chain {
            Chain::Splitting { .. } => State::Splitting,
            _ if self.sequence.is_unresolved() => State::Unresolved,
            Chain::Tracing { .. } => State::Tracing,
            Chain::Broken if out => State::GoingBack,
            _ if self.retry.is_waiting() => State::BackingOff,
            _ if out && self.window.acknowledged => State::Pipelining,
            _ if out => State::Proving,
            _ if self.is_empty() => State::Idle,
            _ => State::Ready,
        }
    }

    /// Whether another batch would wait for no answer.
    pub(super) fn takes(&self, max_in_flight: usize) -> bool {
        let blocked = !matches!(self.chain, Chain::Intact { .. })
            || self.sequence.is_unresolved()
            || self.window.is_full(max_in_flight);
        self.waiting() == 0 && (self.window.is_empty() || !blocked)
    }

    /// How many batches are yet to be sent, or to be sent again.
    pub(super) fn waiting(&self) -> usize {
        let sent = match self.chain {
            Chain::Intact { sent } => sent,
            _ => 0,
        };
        self.batches.len().saturating_sub(sent)
    }

    pub(super) fn payload(&mut self, id: u64) -> Option<&mut B> {
        let mut batches = self.batches.iter_mut();
        batches.find(|q| q.id == id).map(|q| &mut q.batch.payload)
    }

    // ---- sending ----

    /// The index of the batch to send next, if the chain has one.
    fn next(&self) -> Option<usize> {
        match self.chain {
            Chain::Intact { sent } => Some(sent),
            Chain::Splitting { .. } => None,
            // All is sent again only after the last answer: an answer to an earlier attempt would be
            // taken for one to the later (rule 24).
            _ if !self.window.is_empty() => None,
            Chain::Broken => Some(0),
            Chain::Tracing { probe, .. } => self.batches.iter().position(|q| q.id == probe),
        }
    }

    /// The size of the batch that may be sent next, if one may.
    pub(super) fn may_send(&self, max_in_flight: usize) -> Option<usize> {
        if self.retry.is_waiting() || self.window.is_full(max_in_flight) {
            return None;
        }
        let next = self.batches.get(self.next()?)?;
        // While a sequence is unresolved, resend only batches that already have a stamp; new ones
        // wait for the new epoch (rule 37).
        let waits = self.sequence.is_unresolved() && next.stamp.is_none();
        (!waits).then_some(next.batch.size)
    }

    /// Whether nothing is outstanding at another broker (rule 27).
    pub(super) fn may_send_to(&self, broker: i32) -> bool {
        self.window.allows(broker)
    }

    /// Marks the next batch as sent and returns its stamp. Ask [`may_send`](Self::may_send) before.
    pub(super) fn send(
        &mut self,
        broker: i32,
        identity: (i64, i16),
    ) -> Option<(u64, ProducerStamp)> {
        // What one broker does not recognise another may: the head is asked about again there.
        if matches!(self.chain, Chain::Tracing { broker: asked, .. } if asked != broker) {
            self.chain = Chain::Broken;
        }
        let at = self.next()?;
        let starts_anew =
            self.batches.get(at)?.stamp.is_none() && self.sequence.starts_anew(identity);
        if starts_anew {
            // What is out under the old epoch comes first (rules 27, 32).
            if !self.window.is_empty() {
                return None;
            }
            self.window.acknowledged = false;
        }
        let next = self.batches.get_mut(at)?;
        let stamp = match next.stamp {
            Some(stamp) => stamp,
            None => self.sequence.stamp(identity, next.batch.count),
        };
        next.stamp = Some(stamp);
        next.in_flight = true;
        let id = next.id;
        self.window.send(broker);
        self.chain = match self.chain {
            tracing @ Chain::Tracing { .. } => tracing,
            _ => Chain::Intact { sent: at + 1 },
        };
        Some((id, stamp))
    }

    // ---- waiting ----

    pub(super) fn wait_for_leader(&mut self, now: Instant, missing: Missing, backoff: &Backoff) {
        if let Some(code) = missing.error() {
            self.retry.record_error(now, Failure::Broker(code));
        }
        self.retry.back_off(now, backoff);
    }

    /// Nothing is left that would have to wait.
    pub(super) fn rest(&mut self) {
        self.retry.rest();
    }

    pub(super) fn expire_backoff(&mut self, now: Instant) {
        self.retry.expire_backoff(now);
    }

    /// When something happens by itself. `timeout` is for a batch, `unknown` for its topic.
    pub(super) fn next_event(&self, timeout: Duration, unknown: Duration) -> Option<Instant> {
        let expiry = self.batches.front().map(|q| q.batch.created + timeout);
        let events = expiry.into_iter().chain(self.retry.next_event(unknown));
        events.min()
    }

    // ---- giving up ----

    /// What is given up by now: the heads that are out of time, and everything when the topic has
    /// been unknown for too long.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        timeout: Duration,
        unknown: Duration,
    ) -> Vec<(B, Outcome)> {
        if self.retry.is_unknown_for(now, unknown) {
            return self.give_up_unknown();
        }
        std::iter::from_fn(|| self.expire(now, timeout)).collect()
    }

    fn give_up_unknown(&mut self) -> Vec<(B, Outcome)> {
        self.retry.give_up();
        self.leave_log();
        let refused = |possibly_written| Outcome::Refused {
            error: Failure::Broker(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
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
        let head = self.pop_head()?;
        // The answers that are out belong to a chain whose head is gone.
        self.chain = match self.chain {
            Chain::Intact { .. } if self.window.is_empty() => self.chain,
            Chain::Splitting { .. } => self.chain,
            _ => Chain::Broken,
        };
        if let Some(stamp) = stamp {
            self.leave_sequence(stamp, possibly_written);
        }
        let outcome = Outcome::Expired {
            possibly_written,
            last_error: self.retry.last_error(),
        };
        Some((head, outcome))
    }

    fn pop_head(&mut self) -> Option<B> {
        let head = self.batches.pop_front()?;
        self.chain.pop_head();
        Some(head.batch.payload)
    }

    /// Everything that is held, with whether it may have been written.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = (B, bool)> {
        self.chain = Chain::cleared(self.window.outstanding);
        std::mem::take(&mut self.batches).into_iter().map(|q| {
            let may_be_written = q.may_be_written();
            (q.batch.payload, may_be_written)
        })
    }

    // ---- sequences ----

    /// Under a new epoch the first sequence is zero. Batches sent under the old one behind the head
    /// were refused for being out of order, so they are not in the log.
    fn restart_sequence(&mut self) {
        self.sequence = Sequence::Unstarted;
        self.forget_stamps();
    }

    fn forget_stamps(&mut self) {
        for queued in &mut self.batches {
            queued.stamp = None;
        }
    }

    /// The head was given up. Its sequence goes to the next, and all behind it move up (rule 29),
    /// unless it may be used up already, or something may yet turn up under a sequence behind it.
    fn leave_sequence(&mut self, given_up: ProducerStamp, possibly_written: bool) {
        if !self.sequence.continues(given_up) {
            return;
        }
        if possibly_written || self.batches.iter().any(Queued::is_open) {
            self.sequence = Sequence::Unresolved(given_up);
            return;
        }
        self.sequence = Sequence::At {
            id: (given_up.id, given_up.epoch),
            next: given_up.sequence,
        };
        self.forget_stamps();
    }

    /// The topic was deleted and created again: sequences do not go on (rule 17). The batches that
    /// may be written keep their stamps until their outcome is known, and go one by one: a new log
    /// takes any of them for the first (rule 26).
    pub(super) fn leave_log(&mut self) {
        self.window.forget_broker();
        self.sequence.leave_log();
    }

    /// The stamp whose epoch must be left behind, once every batch that was sent under it is known to
    /// be written or not: under a new epoch the broker would not recognise a repetition.
    pub(super) fn take_unresolved(&mut self) -> Option<ProducerStamp> {
        let Sequence::Unresolved(stamp) = self.sequence else {
            return None;
        };
        let open = || self.batches.iter().any(Queued::is_open);
        if !self.window.is_empty() || self.is_splitting() || open() {
            return None;
        }
        self.chain = Chain::NEW;
        self.restart_sequence();
        Some(stamp)
    }
}

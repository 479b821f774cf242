//! One partition's batches: in which order they go out, and what an answer does to them.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use ottla_protocol::{ErrorCode, records::ProducerStamp};

use super::{Answer, Batch, Outcome, Sent};
use crate::backoff::{Attempts, Backoff};

/// What an answer means for a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Done {
        base_offset: i64,
        log_append_time: i64,
    },
    /// Send it again. `unknown` when it may have been written already.
    Retry {
        error: ErrorCode,
        unknown: bool,
    },
    /// The broker lost track of this producer, or of its sequence: go on under a new epoch.
    NewEpoch,
    Refuse(ErrorCode),
}

impl Verdict {
    pub(super) fn of(answer: Answer) -> Self {
        let Answer {
            error,
            base_offset,
            log_append_time,
            ..
        } = answer;
        match error {
            ErrorCode::NONE => Self::Done {
                base_offset,
                log_append_time,
            },
            // Written by an earlier attempt, long enough ago that its offset is forgotten (rule 36).
            ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Self::Done {
                base_offset: -1,
                log_append_time: -1,
            },
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
            | ErrorCode::UNKNOWN_PRODUCER_ID
            | ErrorCode::INVALID_PRODUCER_EPOCH => Self::NewEpoch,
            // A batch that arrives damaged was damaged here: a retry would only repeat it (rule 39).
            ErrorCode::CORRUPT_MESSAGE => Self::Refuse(error),
            // The leader has it and its followers may have: it must run to a definite answer.
            ErrorCode::REQUEST_TIMED_OUT | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND => {
                Self::Retry {
                    error,
                    unknown: true,
                }
            }
            ErrorCode::CONCURRENT_TRANSACTIONS => Self::Retry {
                error,
                unknown: false,
            },
            error if error.is_retriable() => Self::Retry {
                error,
                unknown: false,
            },
            error => Self::Refuse(error),
        }
    }

    pub(super) fn leader_is_wrong(self) -> bool {
        let Self::Retry { error, .. } = self else {
            return false;
        };
        !matches!(
            error,
            ErrorCode::NOT_ENOUGH_REPLICAS
                | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
                | ErrorCode::REQUEST_TIMED_OUT
                | ErrorCode::THROTTLING_QUOTA_EXCEEDED
                | ErrorCode::CONCURRENT_TRANSACTIONS
        )
    }
}

#[derive(Debug)]
struct Queued<B> {
    id: u64,
    batch: Batch<B>,
    /// Who it is sent as, from its first sending on (rule 21).
    stamp: Option<ProducerStamp>,
    /// A broker may have written it already.
    possibly_written: bool,
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
    not_before: Option<Instant>,
    attempts: Attempts,
    last_error: Option<ErrorCode>,
}

impl<B> Partition<B> {
    pub(super) fn new(topic: Arc<str>, partition: i32) -> Self {
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
            not_before: None,
            attempts: Attempts::new(partition as u64),
            last_error: None,
        }
    }

    pub(super) fn push(&mut self, id: u64, batch: Batch<B>) {
        self.batches.push_back(Queued {
            id,
            batch,
            stamp: None,
            possibly_written: false,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub(super) fn payload(&mut self, id: u64) -> Option<&mut B> {
        self.batches
            .iter_mut()
            .find(|q| q.id == id)
            .map(|q| &mut q.batch.payload)
    }

    /// The size of the batch that may be sent next, if one may.
    pub(super) fn may_send(&mut self, now: Instant, max_in_flight: usize) -> Option<usize> {
        if self.going_back || self.unresolved.is_some() {
            if self.outstanding > 0 {
                return None;
            }
            self.going_back = false;
            self.sent = 0;
        }
        let window = if self.proven { max_in_flight } else { 1 };
        if self.not_before.is_some_and(|at| at > now) || self.outstanding >= window {
            return None;
        }
        self.not_before = None;
        self.batches.get(self.sent).map(|q| q.batch.size)
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
        self.sent += 1;
        self.outstanding += 1;
        Some((id, stamp))
    }

    pub(super) fn wait_for_leader(&mut self, now: Instant, backoff: &Backoff) {
        self.last_error = Some(ErrorCode::LEADER_NOT_AVAILABLE);
        self.back_off(now, backoff);
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
    ) -> Option<(B, Outcome)> {
        self.outstanding = self.outstanding.saturating_sub(1);
        let at = self.batches.iter().position(|q| q.id == sent.batch)?;
        if let (Verdict::Retry { unknown: true, .. }, Some(queued)) =
            (verdict, self.batches.get_mut(at))
        {
            queued.possibly_written = true;
        }
        if !self.acts_on(sent.batch) {
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
                self.take_head(Outcome::Delivered {
                    base_offset,
                    log_append_time,
                })
            }
            Verdict::Retry { error, .. } => {
                self.last_error = Some(error);
                self.going_back = true;
                self.back_off(now, backoff);
                None
            }
            Verdict::NewEpoch => {
                self.going_back = true;
                self.restart_sequence();
                None
            }
            Verdict::Refuse(error) => self.refuse(error, sent.stamp),
        }
    }

    /// Nobody counts the batches of a producer without an id: one that is written is written, and to
    /// send it again with those in front of it would double it.
    fn take_unordered(&mut self, at: usize, verdict: Verdict) -> Option<(B, Outcome)> {
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
        Some((queued.batch.payload, outcome))
    }

    /// The head is refused for good. Its sequence goes to the next one, unless an earlier attempt may
    /// have used it up (rules 28, 29).
    fn refuse(&mut self, error: ErrorCode, stamp: ProducerStamp) -> Option<(B, Outcome)> {
        self.going_back = true;
        let possibly_written = self.batches.front()?.possibly_written;
        let head = self.take_head(Outcome::Refused {
            error,
            possibly_written,
        });
        if possibly_written && stamp.id >= 0 {
            self.unresolved = Some(stamp);
        } else {
            self.close_gap(stamp);
        }
        head
    }

    fn take_head(&mut self, outcome: Outcome) -> Option<(B, Outcome)> {
        let head = self.batches.pop_front()?;
        self.sent = self.sent.saturating_sub(1);
        Some((head.batch.payload, outcome))
    }

    /// Under a new epoch the first sequence is zero. What was sent under the old one was refused
    /// for being out of order behind the head, so it is not in the log.
    fn restart_sequence(&mut self) {
        self.identity = None;
        for queued in &mut self.batches {
            queued.stamp = None;
        }
    }

    /// A refused head was never written, and so was nothing behind it: the broker takes no sequence
    /// before the one it waits for. The batches behind move up (rule 29).
    fn close_gap(&mut self, refused: ProducerStamp) {
        if refused.id < 0 || self.identity != Some((refused.id, refused.epoch)) {
            return;
        }
        self.sequence = refused.sequence;
        for queued in &mut self.batches {
            queued.stamp = None;
        }
    }

    /// Gives the head up when it is out of time.
    pub(super) fn expire(&mut self, now: Instant, timeout: Duration) -> Option<(B, Outcome)> {
        let head = self.batches.front()?;
        if head.batch.created + timeout > now {
            return None;
        }
        let in_flight = self.sent > 0 && self.outstanding > 0 && !self.going_back;
        let possibly_written = head.possibly_written || in_flight;
        match head.stamp {
            Some(stamp) if possibly_written => self.unresolved = Some(stamp),
            Some(stamp) => self.reuse(stamp),
            None => {}
        }
        let last_error = self.last_error;
        self.going_back |= self.outstanding > 0;
        self.take_head(Outcome::Expired {
            possibly_written,
            last_error,
        })
    }

    /// A batch given up though it was certainly not written leaves its sequence to the next.
    fn reuse(&mut self, stamp: ProducerStamp) {
        let behind_is_known = self.batches.iter().all(|q| !q.possibly_written);
        if behind_is_known {
            self.close_gap(stamp);
        } else {
            self.unresolved = Some(stamp);
        }
    }

    /// Once nothing is outstanding, the stamp whose epoch must be left behind.
    pub(super) fn take_unresolved(&mut self) -> Option<ProducerStamp> {
        if self.outstanding > 0 {
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
        let in_flight = if self.outstanding > 0 { self.sent } else { 0 };
        self.sent = 0;
        self.going_back = self.outstanding > 0;
        std::mem::take(&mut self.batches)
            .into_iter()
            .enumerate()
            .map(move |(i, q)| (q.batch.payload, q.possibly_written || i < in_flight))
    }

    pub(super) fn next_event(&self, timeout: Duration) -> Option<Instant> {
        let expiry = self.batches.front().map(|q| q.batch.created + timeout);
        expiry.into_iter().chain(self.not_before).min()
    }
}

/// Sequence numbers count records and wrap to zero (rule 20).
pub(super) fn advance(sequence: i32, records: u32) -> i32 {
    ((i64::from(sequence) + i64::from(records)) % (i64::from(i32::MAX) + 1)) as i32
}

//! What an answer does to a batch, and to those behind it.

use std::{collections::VecDeque, time::Instant};

use ottla_protocol::{ErrorCode, records::ProducerStamp};

use super::{Chain, End, Partition, Queued, advance_sequence};
use crate::{
    backoff::Backoff,
    failure::Failure,
    producer::{
        Batch, Outcome, Sent,
        verdict::{Verdict, is_too_large},
    },
};

/// What follows from an answer for the machine.
pub(in super::super) struct Judged<B> {
    /// Batches that are done with, in order.
    pub(in super::super) ended: Ended<B>,
    /// The broker's answer rules out that the batches under this stamp's epoch are in its log. They
    /// go on under a new epoch.
    pub(in super::super) new_epoch: Option<ProducerStamp>,
}

/// Nearly always none or one: a list would allocate for each.
#[derive(Debug)]
pub(in super::super) enum Ended<B> {
    None,
    One(B, End),
    Several(Vec<(B, End)>),
}

impl<B> From<Option<(B, End)>> for Judged<B> {
    fn from(ended: Option<(B, End)>) -> Self {
        let ended = ended.map_or(Ended::None, |(payload, end)| Ended::One(payload, end));
        Self {
            ended,
            new_epoch: None,
        }
    }
}

impl<B> Partition<B> {
    /// Whether an answer to this batch means anything: only the head's does while the chain is
    /// intact (rule 22), and only the probe's while the head is traced.
    fn acts_on(&self, batch: u64) -> bool {
        match self.chain {
            Chain::Intact { .. } => self.batches.front().is_some_and(|head| head.id == batch),
            Chain::Tracing { probe, .. } => probe == batch,
            Chain::Broken | Chain::Splitting { .. } => false,
        }
    }

    /// Takes in what was decided about a batch. Only the head can end, or the probe with all before
    /// it: a chain that is broken before a batch says nothing about it (rule 22).
    pub(in super::super) fn judge(
        &mut self,
        now: Instant,
        sent: Sent,
        broker: i32,
        verdict: Verdict,
        backoff: &Backoff,
    ) -> Judged<B> {
        self.window.outstanding = self.window.outstanding.saturating_sub(1);
        let Some(at) = self.batches.iter().position(|q| q.id == sent.batch) else {
            return None.into();
        };
        let acts_on = self.acts_on(sent.batch);
        self.take_answer(at, &verdict, acts_on);
        if !acts_on {
            if !self.is_splitting() && !matches!(self.chain, Chain::Tracing { .. }) {
                self.chain = Chain::Broken;
            }
            return self.take_unordered(at, &verdict).into();
        }
        match verdict {
            Verdict::Done { .. } => self.acknowledge(at, broker, &verdict),
            Verdict::Retry { error, .. } => {
                self.retry.record_error(now, error);
                self.retry.back_off(now, backoff);
                self.go_back();
                None.into()
            }
            Verdict::Unrecognised(code) => {
                self.retry.record_error(now, Failure::Broker(code));
                self.retry.back_off(now, backoff);
                Judged {
                    ended: Ended::None,
                    new_epoch: self.trace(at, code, broker).then_some(sent.stamp),
                }
            }
            // A probe that is refused says nothing about the head: the head is asked about again.
            Verdict::Refuse { .. } if at > 0 => {
                self.chain = Chain::Broken;
                None.into()
            }
            Verdict::Refuse { error, .. } if is_too_large(&error) && self.may_split() => {
                self.split(sent.stamp).into()
            }
            Verdict::Refuse { error, .. } => self.refuse(error, sent.stamp).into(),
        }
    }

    /// Notes what an answer says of the batch by itself.
    fn take_answer(&mut self, at: usize, verdict: &Verdict, acts_on: bool) {
        if let Some(queued) = self.batches.get_mut(at) {
            queued.in_flight = false;
            queued.possibly_written |= match verdict {
                Verdict::Retry { unknown, .. } | Verdict::Refuse { unknown, .. } => *unknown,
                // Written, though its turn to be acknowledged has not come.
                Verdict::Done { .. } => !acts_on,
                Verdict::Unrecognised(_) => false,
            };
        }
    }

    /// All is sent again from the head, or from the probe while the head is traced.
    const fn go_back(&mut self) {
        if !matches!(self.chain, Chain::Tracing { .. }) {
            self.chain = Chain::Broken;
        }
    }

    /// The broker has the batch at this index. A probe proves all before it: sequences have no gap.
    fn acknowledge(&mut self, at: usize, broker: i32, verdict: &Verdict) -> Judged<B> {
        let Verdict::Done {
            base_offset,
            log_append_time,
        } = *verdict
        else {
            return None.into();
        };
        self.window.acknowledge(broker);
        self.retry.succeed();
        let outcome = Outcome::Delivered {
            base_offset,
            log_append_time,
        };
        if at == 0 && matches!(self.chain, Chain::Intact { .. }) {
            let head = self.pop_head();
            return head.map(|payload| (payload, End::Finished(outcome))).into();
        }
        let nowhere = Outcome::Delivered {
            base_offset: -1,
            log_append_time: -1,
        };
        let mut ended: Vec<_> = (0..at)
            .filter_map(|_| Some((self.pop_head()?, End::Finished(nowhere.clone()))))
            .collect();
        ended.extend(
            self.pop_head()
                .map(|payload| (payload, End::Finished(outcome))),
        );
        self.chain = Chain::Broken;
        Judged {
            ended: Ended::Several(ended),
            new_epoch: None,
        }
    }

    /// The broker does not recognise the batch at this index. Returns true when that rules out that
    /// the head is in its log, so that it may go on under a new epoch.
    ///
    /// A new epoch for a batch that is in the log would write it twice. So a head that may be written
    /// is first repeated under its stamp; then the batches behind it are, from the last one that may
    /// be written: a broker always recognises the last batch of a producer that it has, but after a
    /// restart no earlier one.
    fn trace(&mut self, at: usize, code: ErrorCode, broker: i32) -> bool {
        let knows_producer = code == ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
        if at > 0 {
            // The last that may have been written is not, or the broker would recognise it.
            if let Some(probe) = self.batches.get_mut(at) {
                probe.possibly_written = false;
            }
        }
        let Some(head) = self.batches.front_mut() else {
            return false;
        };
        if at == 0 && head.possibly_written && !head.repeated {
            head.repeated = true;
            self.chain = Chain::Broken;
            return false;
        }
        let doubtful = head.possibly_written;
        let behind = self.batches.iter().skip(1).rev();
        let probe = behind.filter(|q| q.is_open()).map(|q| q.id).next();
        // A broker without any memory of this producer would append the probe (rule 26).
        if let Some(probe) = probe.filter(|_| doubtful && knows_producer) {
            self.chain = Chain::Tracing { probe, broker };
            return false;
        }
        self.chain = Chain::Broken;
        let is_ruled_out = at == 0 || knows_producer;
        if is_ruled_out {
            self.restart_sequence();
        }
        is_ruled_out
    }

    /// Without a producer id no broker counts batches: one that is written is written, and sending it
    /// again with those in front of it would write it twice.
    fn take_unordered(&mut self, at: usize, verdict: &Verdict) -> Option<(B, End)> {
        let Verdict::Done {
            base_offset,
            log_append_time,
        } = *verdict
        else {
            return None;
        };
        self.batches
            .get(at)
            .filter(|q| q.stamp == Some(ProducerStamp::NONE))?;
        let queued = self.batches.remove(at)?;
        let outcome = Outcome::Delivered {
            base_offset,
            log_append_time,
        };
        Some((queued.batch.payload, End::Finished(outcome)))
    }

    /// The head is refused for good (rule 28).
    fn refuse(&mut self, error: Failure, stamp: ProducerStamp) -> Option<(B, End)> {
        let possibly_written = self.batches.front()?.possibly_written;
        let payload = self.pop_head()?;
        self.chain = Chain::Broken;
        self.leave_sequence(stamp, possibly_written);
        let outcome = Outcome::Refused {
            error,
            possibly_written,
        };
        Some((payload, End::Finished(outcome)))
    }

    /// Whether the head has several records of which none may be written.
    fn may_split(&self) -> bool {
        let head = self.batches.front();
        head.is_some_and(|q| q.batch.count > 1 && !q.possibly_written)
    }

    /// Takes the head out to be split. Nothing is sent until its parts are here.
    fn split(&mut self, stamp: ProducerStamp) -> Option<(B, End)> {
        let head = self.batches.pop_front()?;
        self.chain = Chain::Splitting {
            created: head.batch.created,
            stamp,
        };
        Some((head.batch.payload, End::Split))
    }

    /// The parts of the batch that was to be split. They share out its sequence numbers, so the
    /// batches behind keep theirs. No parts: the batch was given up. Parts that are not expected come
    /// back.
    pub(in super::super) fn put_parts(
        &mut self,
        parts: Vec<(u64, Batch<B>)>,
    ) -> Result<(), Vec<(u64, Batch<B>)>> {
        let Chain::Splitting { created, mut stamp } = self.chain else {
            return Err(parts);
        };
        self.chain = Chain::Broken;
        if parts.is_empty() {
            self.leave_sequence(stamp, false);
            return Ok(());
        }
        let mut queued = VecDeque::with_capacity(parts.len() + self.batches.len());
        for (id, batch) in parts {
            let count = batch.count;
            queued.push_back(Queued::new(id, Batch { created, ..batch }, Some(stamp)));
            if stamp.id >= 0 {
                stamp.sequence = advance_sequence(stamp.sequence, count);
            }
        }
        queued.append(&mut self.batches);
        self.batches = queued;
        Ok(())
    }
}

//! Who the producer is to the brokers: an id and an epoch (KIP-98, KIP-360).

use std::time::Instant;

use ottla_protocol::{ErrorCode, records::ProducerStamp};

use crate::backoff::{Attempts, Backoff};

/// The last epoch that is bumped without asking: `Short.MAX_VALUE` is never used (rule 33).
const LAST_EPOCH: i16 = i16::MAX - 1;

/// The request for a producer id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InitProducerId;

/// The producer id and epoch that batches are sent under.
#[derive(Debug)]
pub(super) struct Identity {
    state: State,
    backoff: Backoff,
    attempts: Attempts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not idempotent: nobody in particular.
    Anonymous,
    /// To be asked for, not before this time if there is one.
    Wanted(Option<Instant>),
    Asked,
    Known {
        id: i64,
        epoch: i16,
    },
    /// Refused for good.
    Refused(ErrorCode),
}

impl Identity {
    pub(super) fn new(idempotent: bool, backoff: Backoff, seed: u64) -> Self {
        let state = if idempotent {
            State::Wanted(None)
        } else {
            State::Anonymous
        };
        Self {
            state,
            backoff,
            attempts: Attempts::new(seed),
        }
    }

    /// The id and epoch for batches that have none yet; `None` while there is none to be had.
    pub(super) fn current(&self) -> Option<(i64, i16)> {
        match self.state {
            State::Anonymous => Some((-1, -1)),
            State::Known { id, epoch } => Some((id, epoch)),
            State::Wanted(_) | State::Asked | State::Refused(_) => None,
        }
    }

    /// Why there will be no id.
    pub(super) const fn refused(&self) -> Option<ErrorCode> {
        match self.state {
            State::Refused(error) => Some(error),
            _ => None,
        }
    }

    pub(super) fn poll(&mut self, now: Instant) -> Option<InitProducerId> {
        match self.state {
            State::Wanted(at) if at.is_none_or(|at| at <= now) => {
                self.state = State::Asked;
                Some(InitProducerId)
            }
            _ => None,
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Wanted(at) => at,
            _ => None,
        }
    }

    /// Takes the answer in. An error that will not pass comes back, once.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        answer: Result<(i64, i16), ErrorCode>,
    ) -> Result<(), ErrorCode> {
        if self.state != State::Asked {
            return Ok(());
        }
        match answer {
            Ok((id, epoch)) => {
                self.attempts.reset();
                self.state = State::Known { id, epoch };
            }
            Err(error) if error.is_retriable() => {
                self.state = State::Wanted(Some(now + self.attempts.delay(&self.backoff)));
            }
            Err(error) => {
                self.state = State::Refused(error);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Leaves the epoch of `stamp` behind, if it is still the current one: sequences start anew.
    pub(super) fn bump(&mut self, stamp: ProducerStamp) {
        let State::Known { id, epoch } = self.state else {
            return;
        };
        if (id, epoch) != (stamp.id, stamp.epoch) {
            return;
        }
        self.state = if epoch < LAST_EPOCH {
            State::Known {
                id,
                epoch: epoch + 1,
            }
        } else {
            State::Wanted(None)
        };
    }
}

//! Who the producer is to the brokers: an id and an epoch (KIP-98, KIP-360).

use std::time::Instant;

use ottla_protocol::records::ProducerStamp;

use crate::{
    backoff::{Attempts, Backoff},
    failure::Failure,
};

/// The last epoch that is bumped without asking: `Short.MAX_VALUE` is never used (rule 33).
const LAST_EPOCH: i16 = i16::MAX - 1;

/// The request for a producer id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InitProducerId;

/// The producer id and epoch that batches are sent under.
#[derive(Debug)]
pub(super) struct Identity {
    mode: Mode,
    backoff: Backoff,
    attempts: Attempts,
}

/// What a producer promises, and how far it is with what that takes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mode {
    /// No id: brokers count nothing, and a retry may write twice.
    Plain,
    /// `enable.idempotence`: sequence numbers under an id of the brokers.
    Idempotent(State),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// To be asked for, not before this time if there is one.
    Wanted(Option<Instant>),
    Asked,
    Known {
        id: i64,
        epoch: i16,
    },
    /// Refused for good.
    Refused(Failure),
}

impl Identity {
    pub(super) const fn new(idempotent: bool, backoff: Backoff, seed: u64) -> Self {
        let mode = if idempotent {
            Mode::Idempotent(State::Wanted(None))
        } else {
            Mode::Plain
        };
        Self {
            mode,
            backoff,
            attempts: Attempts::new(seed),
        }
    }

    /// The id and epoch for batches that have none yet; `None` while there is none to be had.
    pub(super) const fn current(&self) -> Option<(i64, i16)> {
        match self.mode {
            Mode::Plain => Some((-1, -1)),
            Mode::Idempotent(State::Known { id, epoch }) => Some((id, epoch)),
            Mode::Idempotent(_) => None,
        }
    }

    /// Why there will be no id.
    pub(super) fn refused(&self) -> Option<Failure> {
        match &self.mode {
            Mode::Idempotent(State::Refused(error)) => Some(error.clone()),
            _ => None,
        }
    }

    pub(super) fn poll(&mut self, now: Instant) -> Option<InitProducerId> {
        match self.mode {
            Mode::Idempotent(State::Wanted(at)) if at.is_none_or(|at| at <= now) => {
                self.mode = Mode::Idempotent(State::Asked);
                Some(InitProducerId)
            }
            _ => None,
        }
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        match self.mode {
            Mode::Idempotent(State::Wanted(at)) => at,
            _ => None,
        }
    }

    /// Takes the answer in. An error that will not pass comes back, once.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        answer: Result<(i64, i16), Failure>,
    ) -> Result<(), Failure> {
        if self.mode != Mode::Idempotent(State::Asked) {
            return Ok(());
        }
        let state = match answer {
            Ok((id @ 0.., epoch @ 0..)) => {
                self.attempts.reset();
                State::Known { id, epoch }
            }
            // A negative id would turn idempotence off without a word: brokers then count nothing,
            // and a retry writes twice. Another broker may answer better.
            Ok(_) => self.wait(now),
            Err(Failure::Lost { .. }) => self.wait(now),
            Err(Failure::Broker(code)) if code.is_retriable() => self.wait(now),
            Err(error) => {
                self.mode = Mode::Idempotent(State::Refused(error.clone()));
                return Err(error);
            }
        };
        self.mode = Mode::Idempotent(state);
        Ok(())
    }

    fn wait(&mut self, now: Instant) -> State {
        State::Wanted(Some(now + self.attempts.delay(&self.backoff)))
    }

    /// Leaves the epoch of `stamp`, if it is still the current one: sequences start at 0 again. Returns
    /// whether it was.
    pub(super) fn bump(&mut self, stamp: ProducerStamp) -> bool {
        let current = self.current().filter(|current| current.0 >= 0);
        if current != Some((stamp.id, stamp.epoch)) {
            return false;
        }
        // A bump needs no request until the epochs run out; then a new id is asked for (KIP-360).
        self.mode = Mode::Idempotent(if stamp.epoch < LAST_EPOCH {
            State::Known {
                id: stamp.id,
                epoch: stamp.epoch + 1,
            }
        } else {
            State::Wanted(None)
        });
        true
    }
}

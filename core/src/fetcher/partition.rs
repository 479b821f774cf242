//! One partition: its position, and when and where it may be fetched.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{Lookup, Slot, Start, Wanted};
use crate::backoff::{Attempts, Backoff};

/// After so many redirections without progress the leader's word is doubted for a while: two brokers
/// that name each other must not send this client to and fro.
const REDIRECTIONS: u32 = 3;

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) topic: Arc<str>,
    pub(super) number: i32,
    pub(super) incarnation: u32,
    pub(super) state: State,
    pub(super) paused: bool,
    pub(super) not_before: Option<Instant>,
    attempts: Attempts,
    /// The position was reset, and nothing was fetched since.
    was_reset: bool,
    replica: Option<Replica>,
    /// How often the leader named a replica since something was fetched.
    redirections: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Its position must be looked up.
    Unplaced(Start),
    LookingUp(Start),
    Placed(i64),
    Fetching(i64),
    /// Out of range or of another topic, and the application has not sought yet.
    Lost,
}

/// A replica that is read from in place of the leader (KIP-392).
#[derive(Debug, Clone, Copy)]
struct Replica {
    broker: i32,
    /// The leader is asked again then.
    until: Instant,
}

impl State {
    const fn at(start: Start) -> Self {
        match start {
            Start::Offset(offset) => Self::Placed(offset),
            start => Self::Unplaced(start),
        }
    }

    pub(super) const fn offset(self) -> Option<i64> {
        match self {
            Self::Placed(offset) | Self::Fetching(offset) => Some(offset),
            _ => None,
        }
    }
}

impl Partition {
    pub(super) fn new(
        topic: Arc<str>,
        number: i32,
        start: Start,
        incarnation: u32,
        seed: u64,
    ) -> Self {
        Self {
            topic,
            number,
            incarnation,
            state: State::at(start),
            paused: false,
            not_before: None,
            attempts: Attempts::new(seed),
            was_reset: false,
            replica: None,
            redirections: 0,
        }
    }

    pub(super) fn seek(&mut self, start: Start, incarnation: u32) {
        self.incarnation = incarnation;
        self.state = State::at(start);
        self.not_before = None;
        self.was_reset = false;
    }

    pub(super) fn wants_lookup(&self) -> bool {
        matches!(self.state, State::Unplaced(_)) && self.not_before.is_none()
    }

    pub(super) fn wants_fetch(&self) -> bool {
        matches!(self.state, State::Placed(_)) && !self.paused && self.not_before.is_none()
    }

    pub(super) fn look_up(&mut self, slot: Slot) -> Option<Lookup> {
        let State::Unplaced(start) = self.state else {
            return None;
        };
        self.state = State::LookingUp(start);
        Some(Lookup {
            slot,
            topic: self.topic.clone(),
            partition: self.number,
            incarnation: self.incarnation,
            start,
        })
    }

    pub(super) fn fetch(
        &mut self,
        slot: Slot,
        topic_id: Uuid,
        leader_epoch: i32,
    ) -> Option<Wanted> {
        let State::Placed(offset) = self.state else {
            return None;
        };
        self.state = State::Fetching(offset);
        Some(Wanted {
            slot,
            topic: self.topic.clone(),
            partition: self.number,
            incarnation: self.incarnation,
            topic_id,
            offset,
            leader_epoch,
        })
    }

    /// Whether it is being fetched, and exactly this is.
    pub(super) fn is_fetching(&self, wanted: &Wanted) -> bool {
        self.incarnation == wanted.incarnation && self.state == State::Fetching(wanted.offset)
    }

    /// When it must be looked at again: its wait is over, or the lease of the replica that it is fetched
    /// from, which has nothing of it.
    pub(super) fn timeout(&self) -> Option<Instant> {
        let is_fetched = matches!(self.state, State::Fetching(_));
        let lease = self.replica.filter(|_| is_fetched).map(|r| r.until);
        self.not_before.into_iter().chain(lease).min()
    }

    /// Ends a wait that is over, and reading from a replica whose lease is.
    pub(super) fn expire(&mut self, now: Instant) {
        self.not_before.take_if(|at| *at <= now);
        let is_over = self
            .replica
            .take_if(|replica| replica.until <= now)
            .is_some();
        if is_over && let State::Fetching(offset) = self.state {
            self.state = State::Placed(offset);
        }
    }

    pub(super) fn back_off(&mut self, now: Instant, backoff: &Backoff) {
        self.not_before = Some(now + self.attempts.delay(backoff));
    }

    /// A fetch succeeded, with batches up to an offset or none.
    pub(super) fn advance(&mut self, next: i64) {
        self.attempts.reset();
        if let State::Placed(offset) = self.state
            && next > offset
        {
            self.state = State::Placed(next);
            self.was_reset = false;
            self.redirections = 0;
        }
    }

    /// The position is outside the log. The first reset is made at once; one that led nowhere waits,
    /// or a broker that says so again and again is asked as fast as it answers.
    pub(super) fn reset(&mut self, now: Instant, start: Start, backoff: &Backoff) {
        self.state = State::Unplaced(start);
        if self.was_reset {
            self.back_off(now, backoff);
        }
        self.was_reset = true;
    }

    /// The replica to read from, while its lease lasts.
    pub(super) fn replica(&mut self, now: Instant) -> Option<i32> {
        self.replica.take_if(|replica| replica.until <= now);
        self.replica.map(|replica| replica.broker)
    }

    /// The leader names a replica. False when it has done so too often without effect.
    pub(super) fn redirect(&mut self, now: Instant, broker: i32, lease: Duration) -> bool {
        self.redirections += 1;
        if self.redirections > REDIRECTIONS {
            self.replica = None;
            self.redirections = 0;
            return false;
        }
        let until = now + lease;
        self.replica = Some(Replica { broker, until });
        true
    }

    /// This broker is not read from as a replica any more. True when it was.
    pub(super) fn forget_replica(&mut self, broker: i32) -> bool {
        self.replica.take_if(|r| r.broker == broker).is_some()
    }
}

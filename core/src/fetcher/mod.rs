//! Which partitions to fetch from which broker, from where, and what an answer does to a position.
//!
//! One fetch per broker is in flight, and a partition is in at most one of them (rule 59). A
//! position belongs to an *incarnation* of the partition's assignment: a seek starts a new one, and
//! what was on its way for the old one is dropped (rule 58).
//!
//! An event costs what the partitions cost that it concerns: partitions that may be fetched or looked
//! up stand in the queue of their broker, those that wait have a timer, and those that are fetched stay
//! in the session of their broker until it has something of them.

mod exchange;
mod partition;
mod session;
mod sessions;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use ottla_protocol::ErrorCode;
use rustc_hash::FxHashMap;

pub use exchange::{
    Fetch, Fetched, InvalidStart, Leaders, Lookup, Lookups, Problem, Reset, Settings, Slot, Start,
    Wanted,
};
use partition::{Partition, State};
use session::Session;

use crate::{backoff::Random, failure::Failure, ready::Ready, timers::Timers};

/// One fetch per broker is in flight (rule 59), and one request for offsets.
const IN_FLIGHT: usize = 1;

/// The machine; see the [module](self).
#[derive(Debug)]
pub struct Fetcher {
    settings: Settings,
    partitions: FxHashMap<Slot, Partition>,
    /// Partitions that may be fetched.
    fetches: Ready<Slot>,
    /// What each broker knows of what is wanted of it.
    sessions: HashMap<i32, Session>,
    /// The broker in whose session a partition is.
    member_of: FxHashMap<Slot, i32>,
    /// Partitions whose position must be looked up.
    lookups: Ready<Slot>,
    timers: Timers<Slot>,
    problems: VecDeque<Problem>,
    stale: BTreeSet<Arc<str>>,
    seeds: Random,
    next_slot: u32,
}

impl Fetcher {
    /// A fetcher without partitions. Equal seeds wait equally long before they try again.
    #[must_use]
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            partitions: FxHashMap::default(),
            fetches: Ready::default(),
            sessions: HashMap::new(),
            member_of: FxHashMap::default(),
            lookups: Ready::default(),
            timers: Timers::default(),
            problems: VecDeque::new(),
            stale: BTreeSet::new(),
            seeds: Random(seed),
            next_slot: 0,
        }
    }

    // ---- what the application wants ----

    /// Adds a partition, under an incarnation that no earlier assignment of it had.
    pub fn handle_assigned(
        &mut self,
        topic: Arc<str>,
        number: i32,
        start: Start,
        incarnation: u32,
    ) -> Slot {
        let slot = Slot(self.next_slot);
        self.next_slot += 1;
        let seed = self.seeds.bits();
        let partition = Partition::new(topic, number, start, incarnation, seed);
        self.partitions.insert(slot, partition);
        self.settle(slot);
        slot
    }

    /// Takes a partition away. What is on its way for it is dropped.
    pub fn handle_unassigned(&mut self, slot: Slot) {
        self.partitions.remove(&slot);
        self.settle(slot);
    }

    /// Moves a position, under a new incarnation. Waits of the old position end.
    pub fn handle_seek(&mut self, slot: Slot, start: Start, incarnation: u32) {
        if let Some(partition) = self.partitions.get_mut(&slot) {
            partition.seek(start, incarnation);
            self.settle(slot);
        }
    }

    /// The topic of this name is another one by now: an offset of the old means nothing in it, so
    /// the partition waits for a seek (rule 17).
    pub fn handle_recreated(&mut self, slot: Slot) {
        let Some(partition) = self.partitions.get_mut(&slot) else {
            return;
        };
        let offset = partition.state.offset().unwrap_or(-1);
        partition.state = State::Lost;
        self.tell(slot, ErrorCode::UNKNOWN_TOPIC_ID, offset);
        self.settle(slot);
        // The session knows the topic by its old id, which a later request cannot name any more.
        if let Some(broker) = self.member_of.get(&slot).copied() {
            self.end_session(broker);
        }
    }

    /// Stops or resumes fetching a partition; its position stays.
    pub fn handle_paused(&mut self, slot: Slot, paused: bool) {
        if let Some(partition) = self.partitions.get_mut(&slot) {
            partition.paused = paused;
            self.settle(slot);
        }
    }

    /// A partition has another leader, or has one again.
    pub fn handle_leader_changed(&mut self, slot: Slot) {
        self.fetches.reconsider(slot);
        self.lookups.reconsider(slot);
    }

    // ---- positions ----

    /// The next positions to be looked up: all that one broker can be asked for now.
    pub fn poll_lookups(&mut self, now: Instant, leaders: &impl Leaders) -> Option<Lookups> {
        self.expire_backoffs(now);
        while let Some(slot) = self.lookups.pop_undecided() {
            if let Some((broker, _)) = self.leader(now, slot, leaders) {
                self.lookups.add_at(broker, slot);
            }
        }
        let broker = self.lookups.next_broker(now, IN_FLIGHT)?;
        let mut lookups = Vec::new();
        while let Some(slot) = self.lookups.front(broker) {
            self.lookups.pop(broker);
            let partition = self.partitions.get_mut(&slot);
            lookups.extend(partition.and_then(|p| p.look_up(slot)));
        }
        self.lookups.sent(broker);
        Some(Lookups { broker, lookups })
    }

    /// A request for offsets is answered: its broker may be asked again. The answer to each lookup of
    /// it comes by [`handle_looked_up`](Self::handle_looked_up).
    pub fn handle_lookups_done(&mut self, broker: i32) {
        self.lookups.closed(broker);
    }

    /// The answer to a lookup.
    pub fn handle_looked_up(
        &mut self,
        now: Instant,
        lookup: &Lookup,
        answer: Result<i64, Failure>,
    ) {
        let Some(p) = self.partitions.get_mut(&lookup.slot) else {
            return;
        };
        let State::LookingUp(start) = p.state else {
            return;
        };
        if p.incarnation != lookup.incarnation || start != lookup.start {
            return;
        }
        match answer {
            Ok(offset) => p.state = State::Placed(offset),
            Err(failure) => {
                p.state = State::Unplaced(start);
                p.back_off(now, &self.settings.backoff);
                self.note(lookup.slot, &failure, -1);
            }
        }
        self.settle(lookup.slot);
    }

    // ---- fetches ----

    /// The next fetch to be made: all partitions that one broker can be asked for now, those first
    /// that have waited longest.
    pub fn poll_fetch(&mut self, now: Instant, leaders: &impl Leaders) -> Option<Fetch> {
        self.expire_backoffs(now);
        self.fetches.end_pauses(now);
        loop {
            while let Some(slot) = self.fetches.pop_undecided() {
                if let Some((broker, _)) = self.source(now, slot, leaders) {
                    self.fetches.add_at(broker, slot);
                }
            }
            let broker = self.fetches.next_broker(now, IN_FLIGHT)?;
            let ready = self.take_ready(now, broker, leaders);
            if let Some(fetch) = self.go_on(broker, &ready) {
                self.fetches.sent(broker);
                return Some(fetch);
            }
        }
    }

    fn take_ready(&mut self, now: Instant, broker: i32, leaders: &impl Leaders) -> Vec<Wanted> {
        let mut partitions = Vec::new();
        while let Some(slot) = self.fetches.front(broker) {
            self.fetches.pop(broker);
            match self.source(now, slot, leaders) {
                Some((source, epoch)) if source == broker => {
                    let partition = self.partitions.get_mut(&slot);
                    let fetched = partition.and_then(|p| {
                        let id = leaders.topic_id(&p.topic);
                        p.fetch(slot, id, epoch)
                    });
                    partitions.extend(fetched);
                }
                Some(_) => self.fetches.add(slot),
                None => {}
            }
        }
        partitions
    }

    /// The broker to fetch a partition from, and the leader's epoch. Without one it backs off.
    fn source(&mut self, now: Instant, slot: Slot, leaders: &impl Leaders) -> Option<(i32, i32)> {
        let (leader, epoch) = self.leader(now, slot, leaders)?;
        let partition = self.partitions.get_mut(&slot)?;
        let replica = partition.replica(now).filter(|id| leaders.knows(*id));
        Some((replica.unwrap_or(leader), epoch))
    }

    fn leader(&mut self, now: Instant, slot: Slot, leaders: &impl Leaders) -> Option<(i32, i32)> {
        let p = self.partitions.get_mut(&slot)?;
        let leader = leaders.leader(&p.topic, p.number);
        if leader.is_none() {
            p.back_off(now, &self.settings.backoff);
            self.stale.insert(p.topic.clone());
            self.settle(slot);
        }
        leader
    }

    /// A broker asks for a pause (KIP-219, rule 10), or answers faster than is good for it.
    pub fn handle_throttle(&mut self, broker: i32, until: Instant) {
        self.fetches.throttle(broker, until);
    }

    /// What a fetch brought for one partition. False when it is out of date and must be dropped.
    pub fn handle_fetched(
        &mut self,
        now: Instant,
        broker: i32,
        wanted: &Wanted,
        fetched: Fetched,
    ) -> bool {
        let Some(p) = self.partitions.get_mut(&wanted.slot) else {
            return false;
        };
        if !p.is_fetching(wanted) {
            return false;
        }
        p.state = State::Placed(wanted.offset);
        let is_news = match fetched {
            Fetched::UpTo(next) => {
                p.advance(next);
                true
            }
            Fetched::Replica(replica) => {
                let lease = self.settings.replica_lease;
                if !p.redirect(now, replica, lease) {
                    p.back_off(now, &self.settings.backoff);
                }
                self.stale.insert(p.topic.clone());
                false
            }
            Fetched::Missing => {
                self.refused(now, broker, wanted, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
                false
            }
            Fetched::Error(error) => {
                self.refused(now, broker, wanted, error);
                false
            }
        };
        self.settle(wanted.slot);
        is_news
    }

    /// A fetch brought bytes but no progress: do not spin (rule 64).
    pub fn handle_no_progress(&mut self, now: Instant, slot: Slot) {
        if let Some(p) = self.partitions.get_mut(&slot) {
            p.back_off(now, &self.settings.backoff);
            self.settle(slot);
        }
    }

    fn refused(&mut self, now: Instant, broker: i32, wanted: &Wanted, error: ErrorCode) {
        let Some(p) = self.partitions.get_mut(&wanted.slot) else {
            return;
        };
        // A follower may be behind or ahead: the leader decides about the position (rule 66).
        if p.forget_replica(broker) {
            p.back_off(now, &self.settings.backoff);
            return;
        }
        if error == ErrorCode::OFFSET_OUT_OF_RANGE {
            match self.settings.reset {
                Reset::Earliest => p.reset(now, Start::Earliest, &self.settings.backoff),
                Reset::Latest => p.reset(now, Start::Latest, &self.settings.backoff),
                Reset::None => {
                    p.state = State::Lost;
                    self.tell(wanted.slot, error, wanted.offset);
                }
            }
            return;
        }
        p.back_off(now, &self.settings.backoff);
        self.note(wanted.slot, &Failure::Broker(error), wanted.offset);
    }

    // ---- what to tell ----

    /// Retriable errors mean that the topology is out of date; others the application must know.
    fn note(&mut self, slot: Slot, failure: &Failure, offset: i64) {
        let Some(p) = self.partitions.get(&slot) else {
            return;
        };
        match failure {
            Failure::Broker(code) if code.is_retriable() && *code != ErrorCode::CORRUPT_MESSAGE => {
                self.stale.insert(p.topic.clone());
            }
            Failure::Broker(code) => self.tell(slot, *code, offset),
            // The caller has the error itself, and tells it where it will not pass.
            Failure::Lost { .. } | Failure::Unsendable(_) => {}
        }
    }

    /// A caller could not connect to the leader of a partition: it may be another by now.
    pub fn handle_moved(&mut self, slot: Slot) {
        if let Some(p) = self.partitions.get(&slot) {
            self.stale.insert(p.topic.clone());
        }
    }

    fn tell(&mut self, slot: Slot, error: ErrorCode, offset: i64) {
        if let Some(p) = self.partitions.get(&slot) {
            self.problems.push_back(Problem {
                topic: p.topic.clone(),
                partition: p.number,
                incarnation: p.incarnation,
                error,
                offset,
                lost: p.state == State::Lost,
            });
        }
    }

    /// The next thing that the application must hear of.
    pub fn poll_problem(&mut self) -> Option<Problem> {
        self.problems.pop_front()
    }

    /// Topics whose leaders must be looked up again.
    pub fn poll_stale(&mut self) -> Option<Arc<str>> {
        self.stale.pop_first()
    }

    // ---- time and bookkeeping ----

    fn expire_backoffs(&mut self, now: Instant) {
        for slot in self.timers.due(now) {
            if let Some(p) = self.partitions.get_mut(&slot) {
                p.expire(now);
            }
            self.settle(slot);
        }
    }

    /// When a partition that waits may be tried again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let pause = self.fetches.next_pause();
        self.timers.next().into_iter().chain(pause).min()
    }

    /// Puts a partition into the queue where it belongs now, and sets its timer.
    fn settle(&mut self, slot: Slot) {
        let partition = self.partitions.get(&slot);
        self.timers
            .set(slot, partition.and_then(Partition::timeout));
        if let Some(session) = self
            .member_of
            .get(&slot)
            .and_then(|b| self.sessions.get_mut(b))
        {
            session.touch(slot);
        }
        if partition.is_some_and(Partition::wants_lookup) {
            self.lookups.add(slot);
        } else {
            self.lookups.remove(slot);
        }
        if partition.is_some_and(Partition::wants_fetch) {
            self.fetches.add(slot);
        } else {
            self.fetches.remove(slot);
        }
    }
}

//! Which partitions to fetch from which broker, from where, and what an answer does to a position.
//!
//! One fetch per broker is in flight, and a partition is in at most one of them (rule 59). A
//! position belongs to an *incarnation* of the partition's assignment: a seek starts a new one, and
//! what was on its way for the old one is dropped (rule 58).

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use ottla_protocol::ErrorCode;

use crate::backoff::{Attempts, Backoff, Random};

/// Where reading starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The first offset the log still has.
    Earliest,
    /// The end: only what is written from now on.
    Latest,
    /// This offset.
    Offset(i64),
    /// So many records before the end, or the first the log still has.
    BeforeEnd(u64),
    /// The first record of this time or later, in milliseconds since 1970; the end if there is none.
    Timestamp(i64),
}

impl Start {
    /// The offset, where it need not be looked up.
    #[must_use]
    pub const fn offset(self) -> Option<i64> {
        match self {
            Self::Offset(offset) => Some(offset),
            _ => None,
        }
    }
}

/// What to do when a position is outside the log (`auto.offset.reset`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reset {
    /// Go on at the first offset.
    Earliest,
    /// Go on at the end.
    #[default]
    Latest,
    /// Tell the application, which then seeks.
    None,
}

/// A partition's place in the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// One partition of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The partition.
    pub slot: Slot,
    /// Its topic.
    pub topic: Arc<str>,
    /// Its number.
    pub partition: i32,
    /// Comes back with the answer.
    pub incarnation: u32,
    /// The offset to fetch from.
    pub offset: i64,
    /// The leader epoch as this client knows it, for fencing (KIP-320).
    pub leader_epoch: i32,
}

/// A fetch to be made now.
#[derive(Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The broker that leads all of these.
    pub broker: i32,
    /// From where to fetch what.
    pub partitions: Vec<Wanted>,
}

/// An offset to be looked up now, with ListOffsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The partition.
    pub slot: Slot,
    /// Its topic.
    pub topic: Arc<str>,
    /// Its number.
    pub partition: i32,
    /// Comes back with the answer.
    pub incarnation: u32,
    /// What is looked for.
    pub start: Start,
}

/// What a fetch brought for one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// Batches up to, but not including, this offset. Equal to the position, it is no news.
    UpTo(i64),
    /// Nothing: the answer leaves the partition out.
    Missing,
    /// The broker refused.
    Error(ErrorCode),
}

/// What the application must hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The incarnation it was about.
    pub incarnation: u32,
    /// What the broker said.
    pub error: ErrorCode,
    /// The position it was about.
    pub offset: i64,
}

/// The machine; see the [module](self).
#[derive(Debug)]
pub struct Fetcher {
    partitions: BTreeMap<Slot, Partition>,
    busy: HashSet<i32>,
    problems: VecDeque<Problem>,
    stale: BTreeSet<Arc<str>>,
    reset: Reset,
    backoff: Backoff,
    seeds: Random,
    next_slot: u32,
    /// Where the last fetch began looking, so that no partition starves the others.
    turn: Slot,
}

#[derive(Debug)]
struct Partition {
    topic: Arc<str>,
    number: i32,
    incarnation: u32,
    state: State,
    paused: bool,
    not_before: Option<Instant>,
    attempts: Attempts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its position must be looked up.
    Unplaced(Start),
    LookingUp(Start),
    Placed(i64),
    Fetching(i64),
    /// Out of range or of another topic, and the application has not sought yet.
    Lost,
}

impl Fetcher {
    /// A fetcher without partitions. `reset` is `auto.offset.reset`; equal seeds wait equally long
    /// before they try again.
    #[must_use]
    pub fn new(reset: Reset, backoff: Backoff, seed: u64) -> Self {
        Self {
            seeds: Random(seed),
            partitions: BTreeMap::new(),
            busy: HashSet::new(),
            problems: VecDeque::new(),
            stale: BTreeSet::new(),
            reset,
            backoff,
            next_slot: 0,
            turn: Slot(0),
        }
    }

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
        let partition = Partition {
            topic,
            number,
            incarnation,
            state: State::at(start),
            paused: false,
            not_before: None,
            attempts: Attempts::new(self.seeds.bits()),
        };
        self.partitions.insert(slot, partition);
        slot
    }

    /// Takes a partition away. What is on its way for it is dropped.
    pub fn handle_unassigned(&mut self, slot: Slot) {
        self.partitions.remove(&slot);
    }

    /// Moves a position, under a new incarnation.
    pub fn handle_seek(&mut self, slot: Slot, start: Start, incarnation: u32) {
        if let Some(partition) = self.partitions.get_mut(&slot) {
            partition.incarnation = incarnation;
            partition.state = State::at(start);
            partition.not_before = None;
        }
    }

    /// The topic of this name is another one by now: an offset of the old means nothing in it, so
    /// the partition waits for a seek (rule 17).
    pub fn handle_recreated(&mut self, slot: Slot) {
        let Some(partition) = self.partitions.get_mut(&slot) else {
            return;
        };
        let offset = match partition.state {
            State::Placed(offset) | State::Fetching(offset) => offset,
            _ => -1,
        };
        partition.state = State::Lost;
        self.tell(slot, ErrorCode::UNKNOWN_TOPIC_ID, offset);
    }

    /// Stops or resumes fetching a partition; its position stays.
    pub fn handle_paused(&mut self, slot: Slot, paused: bool) {
        if let Some(partition) = self.partitions.get_mut(&slot) {
            partition.paused = paused;
        }
    }

    /// The next position to be looked up.
    pub fn poll_lookup(&mut self, now: Instant) -> Option<Lookup> {
        self.wake(now);
        let (slot, p) = self.partitions.iter_mut().find(|(_, p)| p.wants_lookup())?;
        let State::Unplaced(start) = p.state else {
            return None;
        };
        p.state = State::LookingUp(start);
        Some(Lookup {
            slot: *slot,
            topic: p.topic.clone(),
            partition: p.number,
            incarnation: p.incarnation,
            start,
        })
    }

    /// The answer to a lookup.
    pub fn handle_looked_up(
        &mut self,
        now: Instant,
        lookup: &Lookup,
        answer: Result<i64, ErrorCode>,
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
            Ok(offset) => {
                p.attempts.reset();
                p.state = State::Placed(offset);
            }
            Err(error) => {
                p.state = State::Unplaced(start);
                p.not_before = Some(now + p.attempts.delay(&self.backoff));
                self.note(lookup.slot, error, -1);
            }
        }
    }

    /// The next fetch to be made. `leader` says where a partition's leader is and its epoch.
    pub fn poll_fetch(
        &mut self,
        now: Instant,
        mut leader: impl FnMut(&Arc<str>, i32) -> Option<(i32, i32)>,
    ) -> Option<Fetch> {
        self.wake(now);
        let mut fetch: Option<Fetch> = None;
        let order: Vec<Slot> = self
            .partitions
            .range(self.turn..)
            .chain(self.partitions.range(..self.turn))
            .map(|(s, _)| *s)
            .collect();
        for slot in order {
            let Some(p) = self.partitions.get_mut(&slot) else {
                continue;
            };
            let Some(offset) = p.wants_fetch() else {
                continue;
            };
            let Some((broker, leader_epoch)) = leader(&p.topic, p.number) else {
                p.not_before = Some(now + p.attempts.delay(&self.backoff));
                self.stale.insert(p.topic.clone());
                continue;
            };
            if self.busy.contains(&broker) || fetch.as_ref().is_some_and(|f| f.broker != broker) {
                continue;
            }
            p.state = State::Fetching(offset);
            let (topic, partition, incarnation) = (p.topic.clone(), p.number, p.incarnation);
            let fetch = fetch.get_or_insert_with(|| Fetch {
                broker,
                partitions: Vec::new(),
            });
            fetch.partitions.push(Wanted {
                slot,
                topic,
                partition,
                incarnation,
                offset,
                leader_epoch,
            });
        }
        let fetch = fetch?;
        // The first of this request is the last of the next: byte limits fill up from the front.
        self.turn = Slot(fetch.partitions.first().map_or(0, |w| w.slot.0 + 1));
        self.busy.insert(fetch.broker);
        Some(fetch)
    }

    /// A fetch was answered: its broker may be asked again. Every partition of the fetch is told with
    /// [`handle_fetched`](Self::handle_fetched) what became of it.
    pub fn handle_fetch_done(&mut self, broker: i32) {
        self.busy.remove(&broker);
    }

    /// What a fetch brought for one partition. False when it is out of date and must be dropped.
    pub fn handle_fetched(&mut self, now: Instant, wanted: &Wanted, fetched: Fetched) -> bool {
        let Some(p) = self.partitions.get_mut(&wanted.slot) else {
            return false;
        };
        if p.incarnation != wanted.incarnation || p.state != State::Fetching(wanted.offset) {
            return false;
        }
        match fetched {
            Fetched::UpTo(next) if next > wanted.offset => {
                p.attempts.reset();
                p.state = State::Placed(next);
                true
            }
            Fetched::UpTo(_) => {
                p.state = State::Placed(wanted.offset);
                true
            }
            Fetched::Missing => {
                self.refused(now, wanted, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
                false
            }
            Fetched::Error(error) => {
                self.refused(now, wanted, error);
                false
            }
        }
    }

    /// A fetch brought bytes but no progress: do not spin (rule 64).
    pub fn handle_no_progress(&mut self, now: Instant, slot: Slot) {
        if let Some(p) = self.partitions.get_mut(&slot) {
            p.not_before = Some(now + p.attempts.delay(&self.backoff));
        }
    }

    /// A fetch was not answered.
    pub fn handle_fetch_lost(&mut self, now: Instant, fetch: &Fetch) {
        self.handle_fetch_done(fetch.broker);
        for wanted in &fetch.partitions {
            let Some(p) = self.partitions.get_mut(&wanted.slot) else {
                continue;
            };
            if p.incarnation == wanted.incarnation && p.state == State::Fetching(wanted.offset) {
                p.state = State::Placed(wanted.offset);
                p.not_before = Some(now + p.attempts.delay(&self.backoff));
                self.stale.insert(p.topic.clone());
            }
        }
    }

    fn refused(&mut self, now: Instant, wanted: &Wanted, error: ErrorCode) {
        let Some(p) = self.partitions.get_mut(&wanted.slot) else {
            return;
        };
        p.state = State::Placed(wanted.offset);
        if error == ErrorCode::OFFSET_OUT_OF_RANGE {
            match self.reset {
                Reset::Earliest => p.state = State::Unplaced(Start::Earliest),
                Reset::Latest => p.state = State::Unplaced(Start::Latest),
                Reset::None => {
                    p.state = State::Lost;
                    self.note(wanted.slot, error, wanted.offset);
                }
            }
            return;
        }
        p.not_before = Some(now + p.attempts.delay(&self.backoff));
        self.note(wanted.slot, error, wanted.offset);
    }

    /// Retriable errors mean that the topology is out of date; others the application must know.
    fn note(&mut self, slot: Slot, error: ErrorCode, offset: i64) {
        let Some(p) = self.partitions.get(&slot) else {
            return;
        };
        if error.is_retriable() && error != ErrorCode::CORRUPT_MESSAGE {
            self.stale.insert(p.topic.clone());
        } else {
            self.tell(slot, error, offset);
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
            });
        }
    }

    /// Waits that are over.
    fn wake(&mut self, now: Instant) {
        for p in self.partitions.values_mut() {
            p.not_before = p.not_before.filter(|at| *at > now);
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

    /// When a partition that waits may be tried again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.partitions.values().filter_map(|p| p.not_before).min()
    }
}

impl Partition {
    fn wants_lookup(&self) -> bool {
        matches!(self.state, State::Unplaced(_)) && self.not_before.is_none()
    }

    fn wants_fetch(&self) -> Option<i64> {
        match self.state {
            State::Placed(at) if !self.paused && self.not_before.is_none() => Some(at),
            _ => None,
        }
    }
}

impl State {
    const fn at(start: Start) -> Self {
        match start {
            Start::Offset(offset) => Self::Placed(offset),
            start => Self::Unplaced(start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(reset: Reset, start: Start) -> (Fetcher, Slot) {
        let mut f = Fetcher::new(reset, Backoff::RETRY, 1);
        let slot = f.handle_assigned("t".into(), 0, start, 0);
        (f, slot)
    }

    fn poll(f: &mut Fetcher, now: Instant) -> Option<Fetch> {
        f.poll_fetch(now, |_, _| Some((1, 0)))
    }

    fn answer(f: &mut Fetcher, now: Instant, fetch: &Fetch, fetched: Fetched) -> bool {
        f.handle_fetch_done(fetch.broker);
        f.handle_fetched(now, &fetch.partitions[0], fetched)
    }

    #[test]
    fn a_broker_has_one_fetch_at_a_time_and_the_next_goes_on_behind_it() {
        let now = Instant::now();
        let (mut f, _) = one(Reset::None, Start::Offset(5));
        let first = poll(&mut f, now).expect("it is ready");
        assert_eq!((first.broker, first.partitions[0].offset), (1, 5));
        assert_eq!(poll(&mut f, now), None);
        assert!(answer(&mut f, now, &first, Fetched::UpTo(9)));
        assert_eq!(
            poll(&mut f, now).expect("it goes on").partitions[0].offset,
            9
        );
    }

    #[test]
    fn what_was_on_its_way_before_a_seek_is_dropped() {
        let now = Instant::now();
        let (mut f, slot) = one(Reset::None, Start::Offset(5));
        let first = poll(&mut f, now).expect("it is ready");
        f.handle_seek(slot, Start::Offset(0), 1);
        assert!(!answer(&mut f, now, &first, Fetched::UpTo(9)));
        assert_eq!(poll(&mut f, now).expect("anew").partitions[0].offset, 0);
    }

    #[test]
    fn a_seek_outranks_a_lookup_on_its_way() {
        let now = Instant::now();
        let (mut f, slot) = one(Reset::None, Start::Latest);
        let lookup = f.poll_lookup(now).expect("it is unplaced");
        f.handle_seek(slot, Start::Offset(3), 1);
        f.handle_looked_up(now, &lookup, Ok(100));
        assert_eq!(poll(&mut f, now).expect("placed").partitions[0].offset, 3);
    }

    #[test]
    fn out_of_range_follows_the_reset_policy_and_is_never_silent_without_one() {
        let now = Instant::now();
        let error = ErrorCode::OFFSET_OUT_OF_RANGE;
        let (mut f, _) = one(Reset::Earliest, Start::Offset(5));
        let fetch = poll(&mut f, now).expect("ready");
        answer(&mut f, now, &fetch, Fetched::Error(error));
        assert_eq!(
            f.poll_lookup(now).expect("to be placed").start,
            Start::Earliest
        );
        let (mut f, _) = one(Reset::None, Start::Offset(5));
        let fetch = poll(&mut f, now).expect("ready");
        answer(&mut f, now, &fetch, Fetched::Error(error));
        assert_eq!(f.poll_problem().expect("told").offset, 5);
        assert_eq!(poll(&mut f, now), None);
    }

    #[test]
    fn a_partition_that_an_answer_leaves_out_is_fetched_again_later() {
        let now = Instant::now();
        let (mut f, _) = one(Reset::None, Start::Offset(5));
        let fetch = poll(&mut f, now).expect("ready");
        assert!(!answer(&mut f, now, &fetch, Fetched::Missing));
        assert_eq!(poll(&mut f, now), None);
        let later = f.poll_timeout().expect("it waits");
        assert_eq!(poll(&mut f, later).expect("again").partitions[0].offset, 5);
    }

    #[test]
    fn a_topic_that_was_made_anew_is_not_read_from_the_old_offset() {
        let now = Instant::now();
        let (mut f, slot) = one(Reset::Earliest, Start::Offset(5));
        let fetch = poll(&mut f, now).expect("ready");
        f.handle_recreated(slot);
        assert!(!answer(&mut f, now, &fetch, Fetched::UpTo(9)));
        let problem = f.poll_problem().expect("told");
        assert_eq!(
            (problem.error, problem.offset),
            (ErrorCode::UNKNOWN_TOPIC_ID, 5)
        );
        assert_eq!(poll(&mut f, now), None);
        f.handle_seek(slot, Start::Offset(0), 1);
        assert_eq!(poll(&mut f, now).expect("sought").partitions[0].offset, 0);
    }

    #[test]
    fn a_lost_fetch_is_made_again_after_a_while() {
        let now = Instant::now();
        let (mut f, _) = one(Reset::None, Start::Offset(5));
        let fetch = poll(&mut f, now).expect("ready");
        f.handle_fetch_lost(now, &fetch);
        assert_eq!(f.poll_stale().as_deref(), Some("t"));
        assert_eq!(poll(&mut f, now), None);
        let later = f.poll_timeout().expect("it waits");
        assert_eq!(poll(&mut f, later).expect("again").partitions[0].offset, 5);
    }

    #[test]
    fn partitions_take_turns_at_the_front() {
        let now = Instant::now();
        let mut f = Fetcher::new(Reset::None, Backoff::RETRY, 1);
        for n in 0..3 {
            f.handle_assigned("t".into(), n, Start::Offset(0), 0);
        }
        let mut firsts = Vec::new();
        for _ in 0..3 {
            let fetch = poll(&mut f, now).expect("ready");
            firsts.push(fetch.partitions[0].partition);
            f.handle_fetch_done(1);
            for wanted in &fetch.partitions {
                assert!(f.handle_fetched(now, wanted, Fetched::UpTo(wanted.offset)));
            }
        }
        firsts.sort_unstable();
        assert_eq!(firsts, [0, 1, 2]);
    }

    #[test]
    fn retriable_errors_look_for_the_leader_and_others_are_told() {
        let now = Instant::now();
        let (mut f, _) = one(Reset::None, Start::Offset(5));
        let fetch = poll(&mut f, now).expect("ready");
        answer(
            &mut f,
            now,
            &fetch,
            Fetched::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        );
        assert!(f.poll_problem().is_none() && f.poll_stale().is_some());
        let fetch = poll(&mut f, now + std::time::Duration::from_secs(2)).expect("again");
        answer(
            &mut f,
            now,
            &fetch,
            Fetched::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
        );
        assert!(f.poll_problem().is_some());
    }
}

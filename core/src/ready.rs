//! Which partitions have something to send to which broker, without looking at those that have not.
//!
//! A partition is queued once: as `undecided` until its leader is looked up, then at that broker. A
//! broker that takes no request keeps its queue, and costs the others nothing.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque, hash_map::Entry},
    hash::Hash,
    time::Instant,
};

use rustc_hash::FxHashMap;

/// The queues of partitions that may send, by their slot `S`.
#[derive(Debug)]
pub(crate) struct Ready<S> {
    undecided: VecDeque<S>,
    brokers: HashMap<i32, Broker<S>>,
    /// Brokers with partitions in their queue, in turn.
    turns: VecDeque<i32>,
    /// Brokers that asked for a pause, by its end.
    pauses: BTreeSet<(Instant, i32)>,
    /// Where each queued partition stands.
    places: FxHashMap<S, Place>,
    /// Numbers the entries of all queues, in their order.
    next_entry: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Undecided,
    At { broker: i32, entry: u64 },
}

#[derive(Debug)]
struct Broker<S> {
    in_flight: usize,
    /// It asked not to be sent anything before this time (KIP-219).
    throttled_until: Option<Instant>,
    /// It has a turn although no partition is queued: partitions in its session wait for records.
    watched: bool,
    queue: BTreeMap<u64, S>,
}

impl<S> Default for Broker<S> {
    fn default() -> Self {
        Self {
            in_flight: 0,
            throttled_until: None,
            watched: false,
            queue: BTreeMap::new(),
        }
    }
}

impl<S> Broker<S> {
    fn takes(&self, now: Instant, max_in_flight: usize) -> bool {
        self.in_flight < max_in_flight && self.throttled_until.is_none_or(|until| until <= now)
    }
}

impl<S> Default for Ready<S> {
    fn default() -> Self {
        Self {
            undecided: VecDeque::new(),
            brokers: HashMap::new(),
            turns: VecDeque::new(),
            pauses: BTreeSet::new(),
            places: FxHashMap::default(),
            next_entry: 0,
        }
    }
}

impl<S: Copy + Eq + Hash> Ready<S> {
    /// A partition may send. One that is queued keeps its place.
    pub(crate) fn add(&mut self, slot: S) {
        if let Entry::Vacant(place) = self.places.entry(slot) {
            place.insert(Place::Undecided);
            self.undecided.push_back(slot);
        }
    }

    /// A partition leaves the queue it is in. An entry among the undecided is passed over later.
    pub(crate) fn remove(&mut self, slot: S) {
        if let Some(Place::At { broker, entry }) = self.places.remove(&slot)
            && let Some(at) = self.brokers.get_mut(&broker)
        {
            at.queue.remove(&entry);
            if at.queue.is_empty() && !at.watched {
                self.turns.retain(|turn| *turn != broker);
            }
        }
    }

    /// The leader of a partition changed: it is looked up again before anything is sent.
    pub(crate) fn reconsider(&mut self, slot: S) {
        if matches!(self.places.get(&slot), Some(Place::At { .. })) {
            self.remove(slot);
            self.add(slot);
        }
    }

    /// The next partition whose leader must be looked up. It is queued nowhere then.
    pub(crate) fn pop_undecided(&mut self) -> Option<S> {
        loop {
            let slot = self.undecided.pop_front()?;
            if self.places.get(&slot) == Some(&Place::Undecided) {
                self.places.remove(&slot);
                return Some(slot);
            }
        }
    }

    pub(crate) fn add_at(&mut self, broker: i32, slot: S) {
        let entry = self.next_entry;
        self.next_entry += 1;
        self.places.insert(slot, Place::At { broker, entry });
        let queue = &mut self.brokers.entry(broker).or_default().queue;
        if queue.is_empty() && !self.turns.contains(&broker) {
            self.turns.push_back(broker);
        }
        queue.insert(entry, slot);
    }

    /// Whether a broker has a turn although no partition is queued for it.
    pub(crate) fn watch(&mut self, id: i32, watched: bool) {
        let broker = self.brokers.entry(id).or_default();
        broker.watched = watched;
        if watched && !self.turns.contains(&id) {
            self.turns.push_back(id);
        } else if !watched && broker.queue.is_empty() {
            self.turns.retain(|turn| *turn != id);
        }
    }

    /// The broker whose turn it is, of those that have partitions queued and take a request.
    pub(crate) fn next_broker(&mut self, now: Instant, max_in_flight: usize) -> Option<i32> {
        let takes = |id: &i32| {
            let broker = self.brokers.get(id);
            broker.is_some_and(|b| b.takes(now, max_in_flight))
        };
        let at = self.turns.iter().position(takes)?;
        self.turns.remove(at)
    }

    /// The partition at the front of a broker's queue.
    pub(crate) fn front(&self, broker: i32) -> Option<S> {
        let queue = &self.brokers.get(&broker)?.queue;
        queue.first_key_value().map(|(_, slot)| *slot)
    }

    /// Takes the front of a broker's queue out.
    pub(crate) fn pop(&mut self, broker: i32) {
        let queue = self.brokers.get_mut(&broker).map(|b| &mut b.queue);
        if let Some((_, slot)) = queue.and_then(BTreeMap::pop_first) {
            self.places.remove(&slot);
        }
    }

    /// A broker had its turn; it gets another if partitions are left in its queue.
    pub(crate) fn end_turn(&mut self, broker: i32) {
        if self.front(broker).is_some() {
            self.turns.push_back(broker);
        }
    }

    /// A request goes out.
    pub(crate) fn sent(&mut self, broker: i32) {
        self.brokers.entry(broker).or_default().in_flight += 1;
    }

    /// A request is answered or lost.
    pub(crate) fn closed(&mut self, broker: i32) {
        if let Some(broker) = self.brokers.get_mut(&broker) {
            broker.in_flight = broker.in_flight.saturating_sub(1);
        }
    }

    /// Whether a broker takes another request now.
    pub(crate) fn takes(&self, broker: i32, now: Instant, max_in_flight: usize) -> bool {
        let broker = self.brokers.get(&broker);
        broker.is_none_or(|b| b.takes(now, max_in_flight))
    }

    /// A broker asks for a pause. A shorter one does not end a longer one.
    pub(crate) fn throttle(&mut self, id: i32, until: Instant) {
        let broker = self.brokers.entry(id).or_default();
        if broker.throttled_until < Some(until) {
            if let Some(before) = broker.throttled_until.replace(until) {
                self.pauses.remove(&(before, id));
            }
            self.pauses.insert((until, id));
        }
    }

    /// Ends the pauses that are over.
    pub(crate) fn end_pauses(&mut self, now: Instant) {
        while let Some((until, id)) = self.pauses.first().copied().filter(|p| p.0 <= now) {
            self.pauses.remove(&(until, id));
            if let Some(broker) = self.brokers.get_mut(&id) {
                broker.throttled_until = None;
            }
        }
    }

    /// When the next pause ends.
    pub(crate) fn next_pause(&self) -> Option<Instant> {
        self.pauses.first().map(|(until, _)| *until)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Partitions 1 and 2 are queued at broker 1, partition 3 at broker 2.
    fn ready() -> Ready<u32> {
        let mut ready = Ready::default();
        for (slot, broker) in [(1, 1), (2, 1), (3, 2)] {
            ready.add(slot);
            assert_eq!(ready.pop_undecided(), Some(slot));
            ready.add_at(broker, slot);
        }
        ready
    }

    fn turns(ready: &mut Ready<u32>) -> Vec<i32> {
        let now = Instant::now();
        std::iter::from_fn(|| ready.next_broker(now, 1)).collect()
    }

    #[test]
    fn each_broker_has_one_turn_however_many_partitions_are_queued() {
        assert_eq!(turns(&mut ready()), [1, 2]);
    }

    #[test]
    fn a_broker_whose_last_partition_leaves_has_no_turn_and_others_keep_theirs() {
        let mut ready = ready();
        ready.remove(1);
        assert_eq!(ready.front(1), Some(2));
        ready.remove(2);
        assert_eq!(turns(&mut ready), [2]);
        ready.end_turn(2);
        ready.end_turn(1);
        assert_eq!(turns(&mut ready), [2], "nothing is queued at broker 1");
    }

    #[test]
    fn a_broker_that_is_watched_has_a_turn_without_partitions_until_it_is_not() {
        let mut ready = ready();
        ready.watch(1, true);
        ready.remove(1);
        ready.remove(2);
        ready.watch(3, true);
        ready.watch(3, true);
        ready.watch(2, true);
        ready.watch(2, false);
        ready.watch(4, true);
        ready.add_at(4, 4);
        assert_eq!(turns(&mut ready), [1, 2, 3, 4]);
        ready.watch(3, true);
        ready.watch(3, false);
        assert_eq!(turns(&mut ready), [0; 0]);
    }

    #[test]
    fn a_partition_is_queued_once_and_one_that_left_is_passed_over() {
        let mut ready = ready();
        ready.add(1);
        assert_eq!(ready.pop_undecided(), None, "it is queued at its broker");
        ready.add(4);
        ready.add(4);
        ready.remove(4);
        assert_eq!(ready.pop_undecided(), None);
        ready.reconsider(3);
        ready.reconsider(5);
        assert_eq!(ready.front(2), None);
        assert_eq!(ready.pop_undecided(), Some(3));
        assert_eq!(ready.pop_undecided(), None);
    }

    #[test]
    fn the_front_is_who_waited_longest() {
        let mut ready = ready();
        for slot in [1, 2] {
            assert_eq!(ready.front(1), Some(slot));
            ready.pop(1);
        }
        assert_eq!(ready.front(1), None);
        ready.add(1);
        assert_eq!(ready.pop_undecided(), Some(1), "it may be queued again");
    }

    #[test]
    fn a_broker_takes_so_many_requests_and_more_when_one_is_answered() {
        let now = Instant::now();
        let mut ready = ready();
        ready.sent(1);
        assert!(!ready.takes(1, now, 1) && ready.takes(1, now, 2) && ready.takes(9, now, 1));
        assert_eq!(ready.next_broker(now, 1), Some(2));
        assert_eq!(ready.next_broker(now, 1), None);
        ready.closed(1);
        ready.closed(1);
        assert!(ready.takes(1, now, 1));
        ready.sent(1);
        assert!(!ready.takes(1, now, 1), "what was closed twice counts once");
    }

    #[test]
    fn a_pause_holds_one_broker_up_and_a_shorter_one_ends_it_no_sooner() {
        let (now, s) = (Instant::now(), Duration::from_secs);
        let mut ready = ready();
        ready.throttle(1, now + s(5));
        ready.throttle(1, now + s(2));
        ready.throttle(2, now + s(3));
        assert_eq!(ready.next_pause(), Some(now + s(3)));
        assert_eq!(ready.next_broker(now + s(2), 1), None);
        ready.end_pauses(now + s(3));
        assert_eq!(ready.next_pause(), Some(now + s(5)));
        assert_eq!(ready.next_broker(now, 1), Some(2));
        assert_eq!(ready.next_broker(now + s(5), 1), Some(1), "it is over");
        ready.throttle(2, now + s(4));
        ready.throttle(2, now + s(6));
        ready.end_pauses(now + s(9));
        assert_eq!(ready.next_pause(), None);
    }
}

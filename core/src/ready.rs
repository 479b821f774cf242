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

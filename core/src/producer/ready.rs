//! Which partitions have something to send to which broker, without looking at those that have not.
//!
//! A partition is queued once: as `undecided` until its leader is looked up, then at that broker. A
//! broker that takes no request keeps its queue, and costs the others nothing.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::Instant,
};

use super::Slot;

/// The queues of partitions that may send.
#[derive(Debug, Default)]
pub(super) struct Ready {
    undecided: VecDeque<Slot>,
    brokers: HashMap<i32, Broker>,
    /// Brokers with partitions in their queue, in turn.
    turns: VecDeque<i32>,
    /// Brokers that asked for a pause, by its end.
    pauses: BTreeSet<(Instant, i32)>,
    places: Vec<Place>,
    /// Numbers the entries of all queues, in their order.
    next_entry: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Undecided,
    At { broker: i32, entry: u64 },
}

#[derive(Debug, Default)]
struct Broker {
    in_flight: usize,
    /// It asked not to be sent anything before this time (KIP-219).
    throttled_until: Option<Instant>,
    queue: BTreeMap<u64, Slot>,
}

impl Broker {
    fn takes(&self, now: Instant, max_in_flight: usize) -> bool {
        self.in_flight < max_in_flight && self.throttled_until.is_none_or(|until| until <= now)
    }
}

impl Ready {
    pub(super) fn add_partition(&mut self) {
        self.places.push(Place::Nowhere);
    }

    fn set_place(&mut self, slot: Slot, place: Place) {
        if let Some(at) = self.places.get_mut(slot.0) {
            *at = place;
        }
    }

    /// A partition may send. One that is queued keeps its place.
    pub(super) fn add(&mut self, slot: Slot) {
        if self.places.get(slot.0) == Some(&Place::Nowhere) {
            self.set_place(slot, Place::Undecided);
            self.undecided.push_back(slot);
        }
    }

    /// The leader of a partition changed: it is looked up again before anything is sent.
    pub(super) fn reconsider(&mut self, slot: Slot) {
        let Some(&Place::At { broker, entry }) = self.places.get(slot.0) else {
            return;
        };
        if let Some(at) = self.brokers.get_mut(&broker) {
            at.queue.remove(&entry);
            if at.queue.is_empty() {
                self.turns.retain(|turn| *turn != broker);
            }
        }
        self.set_place(slot, Place::Nowhere);
        self.add(slot);
    }

    /// The next partition whose leader must be looked up. It is queued nowhere then.
    pub(super) fn pop_undecided(&mut self) -> Option<Slot> {
        let slot = self.undecided.pop_front()?;
        self.set_place(slot, Place::Nowhere);
        Some(slot)
    }

    pub(super) fn add_at(&mut self, broker: i32, slot: Slot) {
        let entry = self.next_entry;
        self.next_entry += 1;
        self.set_place(slot, Place::At { broker, entry });
        let queue = &mut self.brokers.entry(broker).or_default().queue;
        if queue.is_empty() {
            self.turns.push_back(broker);
        }
        queue.insert(entry, slot);
    }

    /// The broker whose turn it is, of those that have partitions queued and take a request.
    pub(super) fn next_broker(&mut self, now: Instant, max_in_flight: usize) -> Option<i32> {
        let takes = |id: &i32| {
            let broker = self.brokers.get(id);
            broker.is_some_and(|b| b.takes(now, max_in_flight))
        };
        let at = self.turns.iter().position(takes)?;
        self.turns.remove(at)
    }

    /// The partition at the front of a broker's queue.
    pub(super) fn front(&self, broker: i32) -> Option<Slot> {
        let queue = &self.brokers.get(&broker)?.queue;
        queue.first_key_value().map(|(_, slot)| *slot)
    }

    /// Takes the front of a broker's queue out.
    pub(super) fn pop(&mut self, broker: i32) {
        let queue = self.brokers.get_mut(&broker).map(|b| &mut b.queue);
        if let Some((_, slot)) = queue.and_then(BTreeMap::pop_first) {
            self.set_place(slot, Place::Nowhere);
        }
    }

    /// A broker had its turn; it gets another if partitions are left in its queue.
    pub(super) fn end_turn(&mut self, broker: i32) {
        if self.front(broker).is_some() {
            self.turns.push_back(broker);
        }
    }

    /// A request goes out.
    pub(super) fn sent(&mut self, broker: i32) {
        self.brokers.entry(broker).or_default().in_flight += 1;
    }

    /// A request is answered or lost.
    pub(super) fn closed(&mut self, broker: i32) {
        if let Some(broker) = self.brokers.get_mut(&broker) {
            broker.in_flight = broker.in_flight.saturating_sub(1);
        }
    }

    /// Whether a broker takes another request now.
    pub(super) fn takes(&self, broker: i32, now: Instant, max_in_flight: usize) -> bool {
        let broker = self.brokers.get(&broker);
        broker.is_none_or(|b| b.takes(now, max_in_flight))
    }

    /// A broker asks for a pause. A shorter one does not end a longer one.
    pub(super) fn throttle(&mut self, id: i32, until: Instant) {
        let broker = self.brokers.entry(id).or_default();
        if broker.throttled_until < Some(until) {
            if let Some(before) = broker.throttled_until.replace(until) {
                self.pauses.remove(&(before, id));
            }
            self.pauses.insert((until, id));
        }
    }

    /// Ends the pauses that are over.
    pub(super) fn end_pauses(&mut self, now: Instant) {
        while let Some((until, id)) = self.pauses.first().copied().filter(|p| p.0 <= now) {
            self.pauses.remove(&(until, id));
            if let Some(broker) = self.brokers.get_mut(&id) {
                broker.throttled_until = None;
            }
        }
    }

    /// When the next pause ends.
    pub(super) fn next_pause(&self) -> Option<Instant> {
        self.pauses.first().map(|(until, _)| *until)
    }
}

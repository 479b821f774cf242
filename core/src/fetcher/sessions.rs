//! What enters and leaves the sessions of brokers, and what their ends mean for partitions.

use std::{sync::Arc, time::Instant};

use super::{
    Fetch, Fetcher, Wanted,
    partition::{Partition, State},
    session::Session,
};

impl Fetcher {
    /// The next request of a broker's session: what changed, and what is wanted no more.
    pub(super) fn go_on(&mut self, broker: i32, ready: &[Wanted]) -> Option<Fetch> {
        let mut session = self.sessions.remove(&broker).unwrap_or_default();
        let mut partitions = Vec::new();
        for wanted in ready {
            let before = self.member_of.insert(wanted.slot, broker);
            if let Some(before) = before.filter(|before| *before != broker)
                && let Some(other) = self.sessions.get_mut(&before)
            {
                other.touch(wanted.slot);
                self.fetches.watch(before, true);
            }
            if session.enter(wanted) {
                partitions.push(wanted.clone());
            }
            let partition = self.partitions.get(&wanted.slot);
            let timeout = partition.and_then(Partition::timeout);
            self.timers.set(wanted.slot, timeout);
        }
        let mut forgotten = Vec::new();
        while let Some(wanted) = session.pop_dirty() {
            if self.stays(broker, &wanted) {
                continue;
            }
            session.leave(&wanted);
            self.release(broker, &wanted);
            forgotten.push(wanted);
        }
        if session.is_empty() {
            // The broker forgets what it is not asked for any more by itself.
            self.fetches.watch(broker, false);
            return None;
        }
        // Brokers take in what is new before they forget: a partition that was assigned again under
        // another slot would be forgotten for good.
        forgotten.retain(|left| !session.has(left));
        let number = session.number();
        if number.0 == 0 {
            forgotten.clear();
        }
        self.sessions.insert(broker, session);
        Some(Fetch {
            broker,
            session: number,
            partitions,
            forgotten,
        })
    }

    /// Whether a member of a broker's session is still wanted as the broker knows it.
    fn stays(&self, broker: i32, wanted: &Wanted) -> bool {
        let partition = self.partitions.get(&wanted.slot);
        self.member_of.get(&wanted.slot) == Some(&broker)
            && partition.is_some_and(|p| p.is_fetching(wanted) && !p.paused)
    }

    /// A partition leaves a broker's session. It can be fetched again.
    fn release(&mut self, broker: i32, wanted: &Wanted) {
        let slot = wanted.slot;
        // It may be in the session of another broker by now.
        if self.member_of.get(&slot) != Some(&broker) {
            return;
        }
        self.member_of.remove(&slot);
        if let Some(p) = self
            .partitions
            .get_mut(&slot)
            .filter(|p| p.is_fetching(wanted))
        {
            p.state = State::Placed(wanted.offset);
        }
        self.settle(slot);
    }

    /// A broker's session cannot be gone on with: the next fetch names everything and begins another.
    pub(super) fn end_session(&mut self, broker: i32) {
        let session = self.sessions.remove(&broker);
        self.fetches.watch(broker, false);
        for wanted in session.into_iter().flat_map(Session::into_members) {
            self.release(broker, &wanted);
        }
    }

    /// What is wanted of a partition that a broker's answer names.
    #[must_use]
    pub fn wanted(&self, broker: i32, topic: &Arc<str>, partition: i32) -> Option<Wanted> {
        let session = self.sessions.get(&broker)?;
        session.wanted(topic, partition).cloned()
    }

    /// Everything that is wanted of a broker.
    pub fn all_wanted(&self, broker: i32) -> impl Iterator<Item = &Wanted> {
        let session = self.sessions.get(&broker).into_iter();
        session.flat_map(Session::members)
    }

    /// A fetch was answered, with this session: its broker may be asked again. Every partition that the
    /// answer names is told with [`handle_fetched`](Self::handle_fetched) what became of it; those first
    /// that brought nothing, for they go first next time. Without a session (0), so are those that the
    /// fetch named and the answer does not.
    ///
    /// False when the answer is of another session than was asked: nothing of it counts, and all is
    /// fetched again from the same positions.
    pub fn handle_fetch_done(&mut self, broker: i32, session_id: i32) -> bool {
        self.fetches.closed(broker);
        let Some(session) = self.sessions.get_mut(&broker) else {
            return true;
        };
        if session.answered(session_id) {
            self.fetches.watch(broker, session_id != 0);
            return true;
        }
        self.end_session(broker);
        false
    }

    /// The broker does not know the session any more, or not as far as it has gone: it has restarted, or
    /// had no room. All partitions are named again, after the pause that the caller gives the broker.
    pub fn handle_session_lost(&mut self, broker: i32) {
        self.fetches.closed(broker);
        self.end_session(broker);
    }

    /// A broker's answer names what is not wanted of it: it knows its session otherwise than this
    /// client, and would send the same again and again. All is named again, in another session, after the
    /// pause that the caller gives the broker.
    pub fn handle_unwanted(&mut self, broker: i32) {
        self.end_session(broker);
    }

    /// A fetch was not answered. `moved`: the broker may be elsewhere by now, since it could not be
    /// connected to. A connection that ends is made again, and no reason to look.
    pub fn handle_fetch_lost(&mut self, now: Instant, fetch: &Fetch, moved: bool) {
        let broker = fetch.broker;
        self.fetches.closed(broker);
        self.fetches.watch(broker, false);
        // Whether the broker counted the request is unknown, so its session is of no use.
        let session = self.sessions.remove(&broker);
        for wanted in session.into_iter().flat_map(Session::into_members) {
            if self.member_of.get(&wanted.slot) == Some(&broker) {
                self.member_of.remove(&wanted.slot);
            }
            let Some(p) = self.partitions.get_mut(&wanted.slot) else {
                continue;
            };
            if !p.is_fetching(&wanted) {
                continue;
            }
            p.state = State::Placed(wanted.offset);
            // Only a replica can be done without: its partitions go back to their leader at once.
            if !p.forget_replica(broker) {
                p.back_off(now, &self.settings.backoff);
                if moved {
                    self.stale.insert(p.topic.clone());
                }
            }
            self.settle(wanted.slot);
        }
    }
}

//! Open batches that linger, and those that have and are filled further until they can be sent.
//!
//! A partition is looked at only when something about it may have changed: its timer is due, the
//! machine touched it, or the broker that it waits for takes requests again. So the many that wait for
//! a slow broker cost the others nothing.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use ottla_core::producer::Slot;
use rustc_hash::FxHashMap;

use crate::producer::queue::Queue;

/// Whether an open batch that has lingered is closed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goes {
    /// It would be sent at once, or would wait for no answer.
    Now,
    /// It would wait for an answer to its partition, which touches it.
    Waits,
    /// It would wait for this broker, which takes no request.
    Blocked(i32),
}

#[derive(Debug)]
pub(super) struct Lingering {
    /// `linger.ms`
    linger: Duration,
    /// `delivery.timeout.ms`
    timeout: Duration,
    open: FxHashMap<Slot, Open>,
    /// Every open batch has one timer: the end of its linger, and after that the end of its time.
    timers: BTreeSet<(Instant, Slot)>,
    /// Overdue batches that must be looked at.
    examine: BTreeSet<Slot>,
    /// Overdue batches that wait for a broker.
    blocked: HashMap<i32, BTreeSet<Slot>>,
    /// Lingering batches of partitions that may have nothing on its way.
    perhaps_idle: BTreeSet<Slot>,
}

#[derive(Debug)]
struct Open {
    queue: Arc<Queue>,
    timer: Instant,
    /// It has lingered enough.
    overdue: bool,
}

impl Lingering {
    pub(super) fn new(linger: Duration, timeout: Duration) -> Self {
        Self {
            linger,
            timeout,
            open: FxHashMap::default(),
            timers: BTreeSet::new(),
            examine: BTreeSet::new(),
            blocked: HashMap::new(),
            perhaps_idle: BTreeSet::new(),
        }
    }

    /// An open batch stays, which began then. `enough`: it lingers no longer.
    pub(super) fn add(
        &mut self,
        now: Instant,
        slot: Slot,
        queue: Arc<Queue>,
        began: Instant,
        enough: bool,
    ) {
        self.remove(slot);
        let due = began + self.linger;
        let overdue = enough || due <= now;
        let timer = if overdue { began + self.timeout } else { due };
        self.timers.insert((timer, slot));
        let open = Open {
            queue,
            timer,
            overdue,
        };
        self.open.insert(slot, open);
        self.touch(slot);
    }

    /// The open batch of a partition is no longer of concern.
    pub(super) fn remove(&mut self, slot: Slot) -> Option<Arc<Queue>> {
        let open = self.open.remove(&slot)?;
        self.timers.remove(&(open.timer, slot));
        self.perhaps_idle.remove(&slot);
        Some(open.queue)
    }

    /// Something about a partition changed.
    pub(super) fn touch(&mut self, slot: Slot) {
        match self.open.get(&slot) {
            Some(open) if open.overdue => self.examine.insert(slot),
            Some(_) => self.perhaps_idle.insert(slot),
            None => false,
        };
    }

    /// The leaders changed: every overdue batch is looked at.
    pub(super) fn touch_all(&mut self) {
        self.blocked.clear();
        let overdue = self.open.iter().filter(|(_, open)| open.overdue);
        self.examine.extend(overdue.map(|(slot, _)| *slot));
    }

    /// The partitions whose batches have lingered enough by now.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Arc<Queue>> {
        self.take_timed_out(now, false)
    }

    /// Those whose timers are due, of the batches that are overdue or those that are not.
    fn take_timed_out(&mut self, now: Instant, overdue: bool) -> Vec<Arc<Queue>> {
        let is = |slot: &Slot| {
            let open = self.open.get(slot);
            open.is_some_and(|open| open.overdue == overdue)
        };
        let due = self.timers.iter().take_while(|(at, _)| *at <= now);
        let due: Vec<_> = due.map(|(_, slot)| *slot).filter(is).collect();
        let mut queues = Vec::with_capacity(due.len());
        for slot in due {
            queues.extend(self.remove(slot));
        }
        queues
    }

    /// The partitions whose batches linger although nothing of them is on its way. For want of memory
    /// their batches linger no longer.
    pub(super) fn take_idle(&mut self, is_idle: impl Fn(Slot) -> bool) -> Vec<Arc<Queue>> {
        let perhaps = std::mem::take(&mut self.perhaps_idle).into_iter();
        let idle: Vec<_> = perhaps.filter(|slot| is_idle(*slot)).collect();
        idle.into_iter()
            .filter_map(|slot| self.remove(slot))
            .collect()
    }

    /// The partitions whose batches have lingered and are to be closed now: those that would be sent,
    /// and those that are out of time.
    pub(super) fn take_overdue(
        &mut self,
        now: Instant,
        broker_takes: impl Fn(i32) -> bool,
        goes: impl Fn(Slot) -> Goes,
    ) -> Vec<Arc<Queue>> {
        let free: Vec<_> = self
            .blocked
            .keys()
            .copied()
            .filter(|b| broker_takes(*b))
            .collect();
        for broker in free {
            self.examine
                .extend(self.blocked.remove(&broker).unwrap_or_default());
        }
        let mut taken = Vec::new();
        for slot in std::mem::take(&mut self.examine) {
            if !self.open.get(&slot).is_some_and(|open| open.overdue) {
                continue;
            }
            match goes(slot) {
                Goes::Now => taken.extend(self.remove(slot)),
                Goes::Waits => {}
                Goes::Blocked(broker) => {
                    self.blocked.entry(broker).or_default().insert(slot);
                }
            }
        }
        // Batches that are out of time go too: the machine ends them.
        taken.extend(self.take_timed_out(now, true));
        taken
    }

    /// Every open batch, for a flush or the end.
    pub(super) fn take_all(&mut self) -> Vec<Arc<Queue>> {
        self.timers.clear();
        self.examine.clear();
        self.blocked.clear();
        self.perhaps_idle.clear();
        // Its memory goes too: draining it would cost every later flush what the largest one cost.
        let open = std::mem::take(&mut self.open);
        open.into_values().map(|open| open.queue).collect()
    }

    /// When the next batch has lingered enough, or is out of time.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use ottla_core::{
        backoff::Backoff,
        cluster::{Partition, Topic},
        producer::{Producer, Settings},
    };

    use super::*;

    const LINGER: Duration = Duration::from_millis(5);
    const TIMEOUT: Duration = Duration::from_secs(120);

    /// Three partitions.
    fn slots() -> Vec<Slot> {
        let settings = Settings {
            idempotent: true,
            max_in_flight: 5,
            max_request_size: 1,
            delivery_timeout: TIMEOUT,
            unknown_topic_timeout: TIMEOUT,
            retry_backoff: Backoff::RETRY,
        };
        let mut machine = Producer::<()>::new(settings, 1);
        (0..3)
            .map(|n| machine.add_partition("t".into(), n))
            .collect()
    }

    fn queue(at: usize) -> Arc<Queue> {
        let topic = Topic {
            name: "t".into(),
            id: uuid::Uuid::nil(),
            internal: false,
            partitions: vec![Partition::default(); 3],
        };
        Arc::new(Queue::new(&topic, at, false))
    }

    fn numbers(queues: Vec<Arc<Queue>>) -> Vec<i32> {
        queues.iter().map(|queue| queue.partition).collect()
    }

    #[test]
    fn a_batch_lingers_and_is_then_due_once() {
        let (mut lingering, slots, now) =
            (Lingering::new(LINGER, TIMEOUT), slots(), Instant::now());
        lingering.add(now, slots[0], queue(0), now, false);
        assert_eq!(lingering.poll_timeout(), Some(now + LINGER));
        assert!(lingering.take_due(now).is_empty());
        assert_eq!(numbers(lingering.take_due(now + LINGER)), [0]);
        assert_eq!(lingering.poll_timeout(), None);
    }

    /// Without a timer a batch that is never sent would never end.
    #[test]
    fn an_overdue_batch_that_cannot_be_sent_ends_with_its_time() {
        for goes in [Goes::Waits, Goes::Blocked(1)] {
            let (mut lingering, slots, now) =
                (Lingering::new(LINGER, TIMEOUT), slots(), Instant::now());
            lingering.add(now, slots[0], queue(0), now, true);
            assert!(lingering.take_overdue(now, |_| false, |_| goes).is_empty());
            let end = now + TIMEOUT;
            assert_eq!(lingering.poll_timeout(), Some(end));
            assert!(lingering.take_due(end).is_empty(), "it lingers no longer");
            assert_eq!(
                numbers(lingering.take_overdue(end, |_| false, |_| goes)),
                [0]
            );
            assert_eq!(lingering.poll_timeout(), None);
        }
    }

    #[test]
    fn batches_for_a_broker_are_looked_at_when_it_takes_requests_again() {
        let (mut lingering, slots, now) =
            (Lingering::new(LINGER, TIMEOUT), slots(), Instant::now());
        for (at, slot) in slots.iter().enumerate() {
            lingering.add(now, *slot, queue(at), now, true);
        }
        let broker = |slot| if slot == slots[1] { 2 } else { 1 };
        let blocked = |slot| Goes::Blocked(broker(slot));
        assert!(lingering.take_overdue(now, |_| false, blocked).is_empty());
        let never = |_| panic!("nothing has changed");
        assert!(lingering.take_overdue(now, |_| false, never).is_empty());
        let taken = lingering.take_overdue(now, |broker| broker == 2, |_| Goes::Now);
        assert_eq!(numbers(taken), [1]);
    }

    #[test]
    fn a_batch_is_looked_at_when_its_partition_was_touched() {
        let (mut lingering, slots, now) =
            (Lingering::new(LINGER, TIMEOUT), slots(), Instant::now());
        lingering.add(now, slots[0], queue(0), now, true);
        assert!(
            lingering
                .take_overdue(now, |_| false, |_| Goes::Waits)
                .is_empty()
        );
        lingering.touch(slots[0]);
        assert_eq!(
            numbers(lingering.take_overdue(now, |_| false, |_| Goes::Now)),
            [0]
        );
    }

    #[test]
    fn only_batches_that_linger_are_closed_for_want_of_memory() {
        let (mut lingering, slots, now) =
            (Lingering::new(LINGER, TIMEOUT), slots(), Instant::now());
        lingering.add(now, slots[0], queue(0), now, false);
        lingering.add(now, slots[1], queue(1), now, true);
        assert!(lingering.take_idle(|_| false).is_empty());
        assert!(
            lingering.take_idle(|_| true).is_empty(),
            "nothing has changed"
        );
        lingering.touch(slots[0]);
        lingering.touch(slots[1]);
        assert_eq!(numbers(lingering.take_idle(|_| true)), [0]);
    }
}

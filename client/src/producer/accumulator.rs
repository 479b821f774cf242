//! Where records wait for their batch to fill: one open batch per partition, behind one short mutex
//! each. `send` works here; the sender's task takes from here.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use ottla_core::cluster::Topic;
use ottla_protocol::records::{BatchBuilder, NewRecord};
use tokio::{
    sync::{Notify, watch},
    time,
};

use super::{
    load::Standing,
    memory::{Memory, PAGE},
    place::{Place, TopicQueue},
    queue::{Filling, Queue, State},
    record::{Completion, Delivery},
    topics::Topics,
};
use crate::seeds::Seeds;

/// The open batches of all partitions.
#[derive(Debug)]
pub(super) struct Accumulator {
    topics: Topics,
    /// Held by the function that adds topics, resizes them, or closes them.
    changing: Mutex<()>,
    pub(super) memory: Arc<Memory>,
    batch_size: usize,
    seeds: Seeds,
    /// The partitions or their leaders have changed, and the sender has not looked at them since.
    changed: AtomicBool,
    /// Partitions that have something new for the sender.
    changed_queues: Mutex<Vec<Arc<Queue>>>,
    pub(super) wake: Notify,
    /// Whether the producer is closed; callers that wait for a topic are told. It changes under `changing`.
    closed: watch::Sender<bool>,
}

/// Why nothing was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// So much memory must be taken first.
    NeedsPages(u32),
    /// The producer is closed (rule 42).
    Closed,
}

impl Accumulator {
    pub(super) fn new(memory: Arc<Memory>, batch_size: usize, seeds: Seeds) -> Self {
        let (topics, changing, changed_queues) =
            (Topics::default(), Mutex::default(), Mutex::default());
        Self {
            topics,
            changing,
            memory,
            batch_size,
            seeds,
            changed: AtomicBool::new(false),
            changed_queues,
            wake: Notify::new(),
            closed: watch::Sender::new(false),
        }
    }

    /// A topic that was added before; no lock is taken.
    #[inline]
    pub(super) fn topic(&self, name: &str) -> Option<&TopicQueue> {
        self.topics.get(name)
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes place for a topic, or for the partitions it has gained. Queues that exist stay: a
    /// partition never has two. None goes either, since this may be older knowledge.
    pub(super) fn add_topic(&self, topic: &Topic) -> &TopicQueue {
        let _changing = self.changing();
        let closed = *self.closed.borrow();
        let new = |at| Arc::new(Queue::new(topic, at, closed));
        let count = topic.partitions.len();
        let queue = self.topics.get_or_add(&topic.name, || {
            let partitions = (0..count).map(new).collect();
            TopicQueue::new(partitions, self.batch_size, self.seeds.clone())
        });
        queue.resize(count.max(queue.count()), new);
        self.changed.store(true, Ordering::Release);
        queue
    }

    /// Takes in topics whose partitions are more, or fewer, than when they were added.
    pub(super) fn resize(&self, topology: &ottla_core::cluster::Topology) {
        self.changed.store(true, Ordering::Release);
        for (name, queue) in self.topics.iter() {
            let topic = topology.topic(name);
            if let Some(topic) = topic.filter(|t| t.partitions.len() != queue.count()) {
                self.fit(topic, queue);
            }
        }
    }

    /// Lets a topic have as many partitions as it is said to have now.
    pub(super) fn fit(&self, topic: &Topic, queue: &TopicQueue) {
        let _changing = self.changing();
        let closed = *self.closed.borrow();
        let new = |at| Arc::new(Queue::new(topic, at, closed));
        queue.resize(topic.partitions.len(), new);
    }

    /// Whether partitions or leaders have changed since this was last asked.
    pub(super) fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::Acquire)
    }

    /// Says of each partition how it stands.
    pub(super) fn judge(&self, standing: impl Fn(&Queue) -> Standing) {
        for queue in self.queues() {
            queue.load.set_standing(standing(queue));
        }
    }

    fn queues(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.topics.iter().flat_map(|(_, topic)| topic.all())
    }

    /// Appends a record to its partition's batch. `pages` were taken from the budget before; what is
    /// not needed of them goes back.
    #[inline]
    pub(super) fn append(
        &self,
        mut place: Place<'_>,
        record: &NewRecord<'_>,
        pages: u32,
    ) -> Result<Delivery, Obstacle> {
        loop {
            let mut state = place.queue.lock();
            if let Some((delivery, size)) = self.append_to_open(&mut state, record) {
                drop(state);
                if pages > 0 {
                    self.memory.give_back(pages);
                }
                place.give(size);
                return Ok(delivery);
            }
            match place.next(record) {
                Some(next) => {
                    self.close_open(&mut state, place.queue);
                    drop(state);
                    place = next;
                }
                None => return self.start(state, place, record, pages),
            }
        }
    }

    /// Appends to the open batch, if there is one and it has room, and says by how much it grew.
    #[inline]
    fn append_to_open(
        &self,
        state: &mut State,
        record: &NewRecord<'_>,
    ) -> Option<(Delivery, usize)> {
        if state.closed {
            return None;
        }
        let open = state.open.as_mut()?;
        let before = open.builder.size();
        let appended = open.builder.append(record) || self.grow_and_append(open, record);
        appended.then(|| {
            let grown = open.builder.size() - before;
            (open.delivery(record.timestamp), grown)
        })
    }

    /// Lets an open batch that began small have the memory of a whole one, if there is any.
    #[cold]
    fn grow_and_append(&self, open: &mut Filling, record: &NewRecord<'_>) -> bool {
        let whole = self.memory.batch();
        if open.pages >= whole || !self.memory.try_take(whole - open.pages) {
            return false;
        }
        let limit = (whole as usize * PAGE).min(self.batch_size);
        open.builder.raise_limit(limit);
        let small = open.builder.move_to(self.memory.buffer(whole));
        self.memory.keep(small, 0);
        open.pages = whole;
        open.builder.append(record)
    }

    /// Makes the open batch a full one.
    fn close_open(&self, state: &mut State, queue: &Arc<Queue>) {
        if let Some(full) = state.open.take() {
            state.fills = true;
            state.full.push_back(full);
            self.announce(state, queue);
        }
    }

    /// Closes the open batch and starts another with this record.
    #[cold]
    fn start(
        &self,
        mut state: MutexGuard<'_, State>,
        place: Place<'_>,
        record: &NewRecord<'_>,
        pages: u32,
    ) -> Result<Delivery, Obstacle> {
        if state.closed {
            self.memory.give_back(pages);
            return Err(Obstacle::Closed);
        }
        let queue = place.queue;
        self.close_open(&mut state, queue);
        let least = if state.fills { self.memory.batch() } else { 1 };
        let size = record.batch_size();
        let needed = self.memory.pages(size).max(least);
        if pages >= needed {
            self.memory.give_back(pages - needed);
        } else {
            self.memory.give_back(pages);
            if !self.memory.try_take(needed) {
                return Err(Obstacle::NeedsPages(needed));
            }
        }
        let limit = (needed as usize * PAGE).min(self.batch_size);
        let mut open = Filling {
            builder: BatchBuilder::new(self.memory.buffer(needed), limit),
            completion: Completion::new(queue.topic.clone(), queue.partition),
            created: time::Instant::now().into_std(),
            pages: needed,
        };
        let appended = open.builder.append(record);
        debug_assert!(appended, "the first record always fits");
        let delivery = open.delivery(record.timestamp);
        state.open = Some(open);
        self.announce(&mut state, queue);
        drop(state);
        place.give(size);
        Ok(delivery)
    }

    /// Waits for memory, for which nothing lingers any more.
    pub(super) async fn take_pages(&self, pages: u32) {
        let taken = self.memory.take(pages);
        tokio::pin!(taken);
        // Polled once, it is counted among those who wait.
        if std::future::poll_fn(|cx| std::task::Poll::Ready(taken.as_mut().poll(cx)))
            .await
            .is_pending()
        {
            self.wake.notify_one();
            taken.await;
        }
    }

    fn announce(&self, state: &mut State, queue: &Arc<Queue>) {
        if !state.announced {
            state.announced = true;
            self.changed_queues
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(queue.clone());
        }
        self.wake.notify_one();
    }

    /// The partitions that have something new since the last call.
    pub(super) fn take_changed_queues(&self) -> Vec<Arc<Queue>> {
        std::mem::take(
            &mut *self
                .changed_queues
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// A caller that does not wait found no room: batches are not to linger until there is some.
    #[cold]
    pub(super) fn refuse(&self) {
        self.memory.refuse();
        self.wake.notify_one();
    }

    /// No record is taken any more; what is open can still be taken out.
    pub(super) fn close(&self) {
        let changing = self.changing();
        self.closed.send_replace(true);
        drop(changing);
        for queue in self.queues() {
            queue.lock().closed = true;
        }
    }

    /// Waits until the producer is closed.
    pub(super) async fn wait_until_closed(&self) {
        // The sender of this channel lives as long as this.
        let _: Result<_, _> = self.closed.subscribe().wait_for(|closed| *closed).await;
    }
}

#[cfg(test)]
mod tests {
    use ottla_core::cluster::Partition;

    use super::*;
    use crate::producer::{Partitioning, Record};

    const PAGES: u32 = 8;
    const BATCH: u32 = 4;

    fn accumulator() -> Accumulator {
        let (total, batch) = (PAGES as usize * PAGE, BATCH as usize * PAGE);
        let memory = Arc::new(Memory::new(total, batch, 0));
        let accumulator = Accumulator::new(memory, batch, Seeds::from(1));
        accumulator.add_topic(&Topic {
            name: "t".into(),
            id: uuid::Uuid::nil(),
            internal: false,
            partitions: vec![Partition::default()],
        });
        accumulator
    }

    /// Appends a record with pages that were taken before.
    fn append(to: &Accumulator, size: usize, pages: u32) -> Result<(), Obstacle> {
        assert!(to.memory.try_take(pages), "they are free");
        let value = vec![b'x'; size];
        let new = NewRecord {
            timestamp: 0,
            key: None,
            value: Some(&value),
            headers: &[],
        };
        let topic = to.topic("t").expect("it was added");
        let record = Record::to("t").partition(0);
        let place = topic.choose(&record, &Partitioning::Random);
        let place = place.expect("it has the partition");
        to.append(place, &new, pages).map(drop)
    }

    fn free(of: &Accumulator) -> u32 {
        let free = (0..=PAGES).rev().find(|pages| of.memory.try_take(*pages));
        let free = free.expect("none is always to be had");
        of.memory.give_back(free);
        free
    }

    #[test]
    fn pages_that_a_record_does_not_need_are_given_back() {
        let to = accumulator();
        append(&to, 100, 3).expect("it begins a batch of a page");
        assert_eq!(free(&to), PAGES - 1);
        append(&to, 100, 3).expect("it fits in there");
        assert_eq!(free(&to), PAGES - 1);
        append(&to, PAGE, 2).expect("the batch grows to a whole one");
        assert_eq!(free(&to), PAGES - BATCH);
        append(&to, 3 * PAGE, 4).expect("it begins another");
        assert_eq!(free(&to), PAGES - 2 * BATCH);
    }

    #[test]
    fn a_buffer_that_was_outgrown_is_kept_only_where_a_page_is_free_for_it() {
        for (taken, kept) in [(0, PAGE), (PAGES - BATCH, 0)] {
            let to = accumulator();
            assert!(to.memory.try_take(taken));
            append(&to, 100, 0).expect("it begins a batch of a page");
            append(&to, PAGE, 0).expect("the batch grows to a whole one");
            assert_eq!(to.memory.ready(), kept);
        }
    }

    #[test]
    fn pages_that_are_too_few_are_given_back_before_more_are_waited_for() {
        let to = accumulator();
        append(&to, 4 * PAGE - 1000, 0).expect("there is room");
        assert!(to.memory.try_take(1), "somebody else has it");
        let left = free(&to);
        let needs = append(&to, 1000, 1);
        assert_eq!(needs, Err(Obstacle::NeedsPages(BATCH)));
        assert_eq!(free(&to), left);
    }

    #[test]
    fn a_caller_that_waited_for_a_closed_producer_gives_its_pages_back() {
        let to = accumulator();
        append(&to, 100, 0).expect("there is room");
        to.close();
        for size in [100, 4 * PAGE] {
            assert_eq!(append(&to, size, 4), Err(Obstacle::Closed));
            assert_eq!(free(&to), PAGES - 1);
        }
    }
}

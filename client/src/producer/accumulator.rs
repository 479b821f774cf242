//! Where records wait for their batch to fill: one open batch per partition, behind one short mutex
//! each. `send` works here; the sender's task takes from here.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use arc_swap::{ArcSwap, Guard};
use ottla_core::cluster::Topic;
use ottla_protocol::records::{BatchBuilder, NewRecord};
use rustc_hash::FxHashMap;
use tokio::{sync::Notify, time};

use super::{
    load::{Load, Standing},
    memory::{Memory, PAGE},
    place::{Place, TopicQueue},
    record::{Completion, Delivery},
};
use crate::seeds::Seeds;

/// The open batches of all partitions.
#[derive(Debug)]
pub(super) struct Accumulator {
    topics: ArcSwap<Topics>,
    /// Held by whoever changes them.
    changing: Mutex<()>,
    pub(super) memory: Arc<Memory>,
    batch_size: usize,
    seeds: Seeds,
    /// The partitions or their leaders have changed, and the sender has not looked at them since.
    changed: AtomicBool,
    /// Partitions that have something new for the sender.
    news: Mutex<Vec<Arc<Queue>>>,
    pub(super) wake: Notify,
}

/// The topics at one moment; changes make another.
#[derive(Debug, Clone, Default)]
pub(super) struct Topics {
    by_name: FxHashMap<Arc<str>, Arc<TopicQueue>>,
    closed: bool,
}

impl Topics {
    #[inline]
    pub(super) fn get(&self, name: &str) -> Option<&Arc<TopicQueue>> {
        self.by_name.get(name)
    }

    fn queues(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.by_name.values().flat_map(|topic| topic.all())
    }
}

/// One partition's open and full batches.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) load: Load,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<Filling>,
    full: VecDeque<Filling>,
    /// The last batch was full, so the next one is given the memory of a whole one at once.
    fills: bool,
    /// Already in the sender's list.
    announced: bool,
    closed: bool,
}

/// A batch that is filled, or was.
#[derive(Debug)]
pub(super) struct Filling {
    pub(super) builder: BatchBuilder,
    pub(super) completion: Arc<Completion>,
    pub(super) created: Instant,
    pub(super) pages: u32,
}

/// What became of an attempt to append.
pub(super) enum Appended {
    Done(Delivery),
    /// Memory must be taken first; nothing was appended.
    NeedsPages(u32),
    /// The producer is closed (rule 42).
    Closed,
}

impl Accumulator {
    pub(super) fn new(memory: Arc<Memory>, batch_size: usize, seeds: Seeds) -> Self {
        let (topics, changing, news) = (ArcSwap::default(), Mutex::default(), Mutex::default());
        Self {
            topics,
            changing,
            memory,
            batch_size,
            seeds,
            changed: AtomicBool::new(false),
            news,
            wake: Notify::new(),
        }
    }

    /// The topics as they are now, without a lock; not to be kept across a wait.
    #[inline]
    pub(super) fn topics(&self) -> Guard<Arc<Topics>> {
        self.topics.load()
    }

    fn change(&self, change: impl FnOnce(&mut Topics)) {
        let mut topics = Topics::clone(&self.topics.load());
        change(&mut topics);
        self.topics.store(Arc::new(topics));
    }

    /// Makes place for a topic, or for the partitions it has gained. Queues that exist stay: a
    /// partition never has two.
    pub(super) fn add_topic(&self, topic: &Topic) -> Arc<TopicQueue> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let topics = self.topics.load();
        let before = topics.get(&topic.name);
        let mut partitions = before.map_or_else(Vec::new, |t| t.all().to_vec());
        let known = partitions.len();
        for (n, partition) in topic.partitions.iter().enumerate().skip(known) {
            let state = Mutex::new(State {
                closed: topics.closed,
                ..State::default()
            });
            partitions.push(Arc::new(Queue {
                topic: topic.name.clone(),
                partition: n as i32,
                load: Load::new(Standing::of(partition)),
                state,
            }));
        }
        let queue = Arc::new(match before {
            Some(before) => before.with(partitions, topic.partitions.len()),
            None => TopicQueue::new(partitions, self.batch_size, self.seeds.clone()),
        });
        self.change(|topics| {
            topics.by_name.insert(topic.name.clone(), queue.clone());
        });
        self.changed.store(true, Ordering::Release);
        queue
    }

    /// Takes in topics whose partitions are more, or fewer, than when they were added.
    pub(super) fn resize(&self, topology: &ottla_core::cluster::Topology) {
        self.changed.store(true, Ordering::Release);
        let resized: Vec<_> = {
            let topics = self.topics();
            let changed = |(name, queue): (&Arc<str>, &Arc<TopicQueue>)| {
                let topic = topology.topic(name)?;
                (topic.partitions.len() != queue.there().len()).then(|| topic.clone())
            };
            topics.by_name.iter().filter_map(changed).collect()
        };
        for topic in resized {
            self.add_topic(&topic);
        }
    }

    /// Whether partitions or leaders have changed since this was last asked.
    pub(super) fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::Acquire)
    }

    /// Says of each partition how it stands.
    pub(super) fn judge(&self, standing: impl Fn(&Queue) -> Standing) {
        for queue in self.topics().queues() {
            queue.load.set_standing(standing(queue));
        }
    }

    /// Appends a record to its partition's batch. `pages` were taken from the budget before; what is
    /// not needed of them goes back.
    pub(super) fn append(
        &self,
        mut place: Place<'_>,
        record: &NewRecord<'_>,
        pages: u32,
    ) -> Appended {
        loop {
            let mut state = place.queue.lock();
            if let Some((delivery, size)) = self.append_to_open(&mut state, record) {
                drop(state);
                if pages > 0 {
                    self.memory.give_back(pages);
                }
                place.give(size);
                return Appended::Done(delivery);
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
    ) -> Appended {
        if state.closed {
            self.memory.give_back(pages);
            return Appended::Closed;
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
                return Appended::NeedsPages(needed);
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
        Appended::Done(delivery)
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
            self.news
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(queue.clone());
        }
        self.wake.notify_one();
    }

    /// The partitions that have something new since the last call.
    pub(super) fn take_news(&self) -> Vec<Arc<Queue>> {
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// No record is taken any more; what is open can still be taken out.
    pub(super) fn close(&self) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.change(|topics| topics.closed = true);
        for queue in self.topics().queues() {
            queue.lock().closed = true;
        }
    }
}

impl Queue {
    /// Its index among the partitions of its topic.
    pub(super) const fn at(&self) -> usize {
        self.partition as usize
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is full, and what is open too when it is old enough. Returns when the open batch
    /// will be, if one stays.
    pub(super) fn take(
        &self,
        old_enough: impl Fn(Instant) -> bool,
        mut to: impl FnMut(Filling),
    ) -> Option<Instant> {
        let mut state = self.lock();
        state.announced = false;
        state.full.drain(..).for_each(&mut to);
        match &state.open {
            Some(open) if !old_enough(open.created) => Some(open.created),
            Some(open) => {
                state.fills = open.builder.size() > PAGE;
                state.open.take().into_iter().for_each(to);
                None
            }
            None => None,
        }
    }
}

impl Filling {
    #[inline]
    fn delivery(&self, timestamp: i64) -> Delivery {
        let index = self.builder.count().saturating_sub(1);
        Delivery {
            batch: self.completion.clone(),
            index,
            waiting_at: None,
            timestamp,
        }
    }
}

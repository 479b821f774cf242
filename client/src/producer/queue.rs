//! One partition's open and full batches, between `send` and the sender's task.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use ottla_core::cluster::Topic;
use ottla_protocol::records::BatchBuilder;

use super::{
    load::{Load, Standing},
    memory::PAGE,
    record::{self, Completion, Delivery},
};

/// One partition's open and full batches.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) load: Load,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) open: Option<Filling>,
    pub(super) full: VecDeque<Filling>,
    /// The last batch was full, so the next one is given the memory of a whole one at once.
    pub(super) fills: bool,
    /// Already in the sender's list.
    pub(super) announced: bool,
    pub(super) closed: bool,
}

/// A batch that is filled, or was.
#[derive(Debug)]
pub(super) struct Filling {
    pub(super) builder: BatchBuilder,
    pub(super) completion: Arc<Completion>,
    pub(super) created: Instant,
    pub(super) pages: u32,
}

impl Queue {
    pub(super) fn new(topic: &Topic, at: usize, closed: bool) -> Self {
        let partition = topic.partitions.get(at);
        let standing = partition.map_or(Standing::Leaderless, Standing::of);
        Self {
            topic: topic.name.clone(),
            partition: at as i32,
            load: Load::new(standing),
            state: Mutex::new(State {
                closed,
                ..State::default()
            }),
        }
    }

    /// Its index among the partitions of its topic.
    pub(super) const fn at(&self) -> usize {
        self.partition as usize
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
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
    pub(super) fn delivery(&self, timestamp: i64) -> Delivery {
        let index = self.builder.count().saturating_sub(1);
        Delivery {
            batch: self.completion.clone(),
            index,
            waiting_at: record::NOWHERE,
            timestamp,
        }
    }
}

//! Which batches are not finished, and which flushes wait for them.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::oneshot;

#[derive(Debug, Default)]
pub(super) struct Flushes {
    /// How many batches are held under each number: the parts of one that was cut share its number.
    outstanding: BTreeMap<u64, u32>,
    /// Each flush waits for all batches below its number.
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
    next: u64,
}

impl Flushes {
    /// The number of a batch that is taken now.
    pub(super) fn begin(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        self.outstanding.insert(number, 1);
        number
    }

    /// A batch was cut into this many more.
    pub(super) fn split(&mut self, number: u64, more: u32) {
        *self.outstanding.entry(number).or_default() += more;
    }

    /// A batch, or a part of one, is finished.
    pub(super) fn end(&mut self, number: u64) {
        if let Some(left) = self.outstanding.get_mut(&number) {
            *left -= 1;
            if *left == 0 {
                self.outstanding.remove(&number);
            }
        }
    }

    /// A flush waits for all batches that were taken so far.
    pub(super) fn wait(&mut self, done: oneshot::Sender<()>) {
        self.waiting.push_back((self.next, done));
    }

    /// Ends the flushes whose batches are all finished.
    pub(super) fn answer(&mut self) {
        let oldest = self.outstanding.first_key_value();
        let oldest = oldest.map_or(u64::MAX, |(number, _)| *number);
        while let Some((up_to, _)) = self.waiting.front()
            && *up_to <= oldest
        {
            if let Some((_, done)) = self.waiting.pop_front() {
                // The caller may have dropped its flush.
                let _: Result<_, _> = done.send(());
            }
        }
    }
}

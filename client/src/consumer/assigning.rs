//! Which partitions a consumer reads: assigned, taken away, and which there are.

use std::sync::Arc;

use ottla_core::fetcher::Start;

use super::{
    Assigned, Consumer,
    assignment::{Incarnation, Key},
    check,
    command::Command,
};
use crate::error::Result;

impl Consumer {
    /// Starts reading another partition, or an assigned one from another place. Dropping the future
    /// means that nothing was assigned.
    ///
    /// # Errors
    /// When the topic or partition does not exist, or the start is negative.
    pub async fn assign(
        &mut self,
        topic: impl Into<Arc<str>>,
        partition: i32,
        start: Start,
    ) -> Result<()> {
        let topic = topic.into();
        check(start, &topic, partition)?;
        if !self.partitions.contains_key(&(topic.clone(), partition)) {
            let doing = format!("assigning {topic}-{partition}");
            self.client.topic_with(&topic, partition, doing).await?;
        }
        self.read_from((topic, partition), start)
    }

    /// Starts reading all partitions that a topic has now, each from this place. Dropping the future
    /// means that nothing was assigned.
    ///
    /// # Errors
    /// When the topic does not exist, or the start is negative.
    pub async fn assign_all(&mut self, topic: impl Into<Arc<str>>, start: Start) -> Result<()> {
        let topic = topic.into();
        check(start, &topic, 0)?;
        let partitions = self.client.topic(&topic).await?.partitions.len();
        let mut keys = (0..).take(partitions).map(|n| (topic.clone(), n));
        keys.try_for_each(|key| self.read_from(key, start))
    }

    /// Reads a partition that is known to exist.
    fn read_from(&mut self, key: Key, start: Start) -> Result<()> {
        if self.partitions.contains_key(&key) {
            return self.seek(&key.0, key.1, start);
        }
        let number = self.numbers.next();
        let incarnation = Incarnation::new(number);
        let assigned = Assigned {
            incarnation: incarnation.clone(),
            position: start.offset(),
            held: None,
        };
        self.partitions.insert(key.clone(), assigned);
        self.command(Command::Assign {
            key,
            start,
            incarnation,
            number,
        })
    }

    /// Stops reading a partition. What was fetched of it is dropped.
    ///
    /// # Errors
    /// When the partition is not assigned.
    pub fn unassign(&mut self, topic: &str, partition: i32) -> Result<()> {
        let key = self.key(topic, partition)?;
        if let Some(assigned) = self.partitions.remove(&key) {
            assigned.incarnation.replace(self.numbers.next());
        }
        self.forget(&key);
        self.command(Command::Unassign(key))
    }

    /// The partitions that are assigned, sorted.
    #[must_use]
    pub fn assignment(&self) -> Vec<(Arc<str>, i32)> {
        self.keys(|_| true)
    }

    /// The assigned partitions that are [paused](Self::pause), sorted.
    #[must_use]
    pub fn paused(&self) -> Vec<(Arc<str>, i32)> {
        self.keys(|assigned| assigned.held.is_some())
    }

    fn keys(&self, of: impl Fn(&Assigned) -> bool) -> Vec<Key> {
        let partitions = self.partitions.iter();
        let mut keys: Vec<_> = partitions
            .filter(|(_, assigned)| of(assigned))
            .map(|(key, _)| key.clone())
            .collect();
        keys.sort_unstable();
        keys
    }
}

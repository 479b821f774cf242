//! Collects what a consumer is to be, and starts it.

use std::sync::Arc;

use ottla_core::fetcher::{Reset, Start};
use ottla_protocol::records::Decompressor;
use tokio::sync::mpsc;

use super::{
    Consumer, assignment::Numbers, budget::Budget, driver::Driver, opener::Opener,
    settings::Settings,
};
use crate::{client::Client, error::Result};

/// Collects the settings and partitions of a consumer.
#[must_use = "a builder does nothing until it builds"]
#[derive(Debug)]
pub struct ConsumerBuilder {
    pub(super) client: Client,
    pub(super) settings: Settings,
    pub(super) assigned: Vec<(Arc<str>, i32, Start)>,
}

impl Consumer {
    /// A consumer on this client's cluster.
    pub fn builder(client: &Client) -> ConsumerBuilder {
        ConsumerBuilder {
            client: client.clone(),
            settings: Settings::default(),
            assigned: Vec::new(),
        }
    }
}

impl ConsumerBuilder {
    /// Reads a partition from a place on.
    pub fn assign(mut self, topic: impl Into<Arc<str>>, partition: i32, start: Start) -> Self {
        self.assigned.push((topic.into(), partition, start));
        self
    }

    /// `auto.offset.reset`: what to do when a position is outside the log. Default
    /// [`Reset::Latest`].
    pub const fn reset(mut self, reset: Reset) -> Self {
        self.settings.reset = reset;
        self
    }

    /// Sets a consumer setting by its Kafka name.
    ///
    /// | name | default | |
    /// |---|---|---|
    /// | `fetch.max.wait.ms`, `fetch.wait.max.ms` | 500 | |
    /// | `fetch.min.bytes` | 1 | |
    /// | `fetch.max.bytes` | 52428800 | |
    /// | `max.partition.fetch.bytes` | 1048576 | |
    /// | `check.crcs` | true | |
    /// | `auto.offset.reset` | latest | earliest, latest, none |
    /// | `isolation.level` | read_uncommitted | |
    /// | `queued.max.messages.kbytes` | 65536 | KiB of frames and opened batches that wait |
    /// | `client.rack` | empty | reads from a replica in this rack, where the brokers name one (KIP-392) |
    ///
    /// What waits stays below `queued.max.messages.kbytes` and, at most, one batch as it opens and one
    /// fetch of `fetch.max.bytes` per broker.
    ///
    /// # Errors
    /// [`UnknownSetting`](crate::ErrorKind::UnknownSetting) when the name is none of these,
    /// [`Config`](crate::ErrorKind::Config) when the value is malformed.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        self.settings.set(name, value)
    }

    /// Looks the topics up and starts fetching. Dropping the future ends what was started.
    ///
    /// # Errors
    /// When settings contradict each other, or a topic or partition does not exist.
    pub async fn build(self) -> Result<Consumer> {
        let Self {
            client,
            settings,
            assigned,
        } = self;
        settings.check()?;
        let budget = Budget::new(settings.queued_bytes);
        let (commands, todo) = mpsc::unbounded_channel();
        let (opened, arrivals) = mpsc::unbounded_channel();
        let (raw, to_open) = mpsc::unbounded_channel();
        let numbers = Numbers::default();
        let opener = Opener {
            decompressor: Decompressor::new(settings.max_decompressed),
            check_crcs: settings.check_crcs,
            opened,
            commands: commands.clone(),
            budget: budget.clone(),
            numbers: numbers.clone(),
        };
        let driver = Driver::new(client.clone(), settings, budget.clone(), raw);
        let mut consumer = Consumer::new(client, numbers, arrivals, commands, budget);
        for (topic, partition, start) in assigned {
            consumer.assign(topic, partition, start).await?;
        }
        // They begin with all partitions assigned, whose offsets then take one request per leader.
        consumer.run(driver.run(todo));
        consumer.run(opener.run(to_open));
        Ok(consumer)
    }
}

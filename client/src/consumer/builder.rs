//! Collects what a consumer is to be, and starts it.

use std::sync::Arc;

use ottla_core::fetcher::{Reset, Start};
use ottla_protocol::records::Decompressor;
use tokio::sync::mpsc;

use super::{
    Consumer, assignment::Numbers, budget::Budget, driver::Driver, opener::Opener,
    settings::Settings,
};
use crate::{
    client::Client,
    error::{Error, Result},
};

/// So many bytes of an answer to a fetch are not records. librdkafka reserves as many.
const FETCH_OVERHEAD: usize = 512;

/// Collects the settings and partitions of a consumer.
#[must_use = "a builder does nothing until it builds"]
#[derive(Debug)]
pub struct ConsumerBuilder {
    pub(super) client: Client,
    pub(crate) settings: Settings,
    /// The first setting that is wrong, for the end.
    wrong: Option<Error>,
    pub(super) assigned: Vec<(Arc<str>, Option<i32>, Start)>,
}

impl Consumer {
    /// A consumer on this client's cluster.
    pub fn builder(client: &Client) -> ConsumerBuilder {
        ConsumerBuilder {
            client: client.clone(),
            settings: Settings::default(),
            wrong: None,
            assigned: Vec::new(),
        }
    }
}

impl ConsumerBuilder {
    /// Reads a partition from a place on.
    pub fn assign(mut self, topic: impl Into<Arc<str>>, partition: i32, start: Start) -> Self {
        self.assigned.push((topic.into(), Some(partition), start));
        self
    }

    /// Reads all partitions that a topic has when the consumer is built, each from this place on.
    pub fn assign_all(mut self, topic: impl Into<Arc<str>>, start: Start) -> Self {
        self.assigned.push((topic.into(), None, start));
        self
    }

    /// `auto.offset.reset`: what to do when a position is outside the log. Default
    /// [`Reset::Latest`].
    pub fn reset(mut self, reset: Reset) -> Self {
        self.settings.reset = reset;
        self
    }

    /// Sets a consumer setting by its Kafka name. One that is wrong is told by [`build`](Self::build): the
    /// first of them with [`UnknownSetting`](crate::ErrorKind::UnknownSetting) when there is no such
    /// setting of a consumer, or [`Config`](crate::ErrorKind::Config) when the value is malformed.
    ///
    #[doc = include_str!("../settings/consumer.md")]
    ///
    /// # Memory
    /// What waits stays below `queued.max.messages.kbytes` and 1 MiB, one batch as it opens, and one fetch
    /// of `fetch.max.bytes` for each broker; the buffers of these two can be twice as large as what is in
    /// them. On top of it comes memory that is kept to be used again: up to 8 MiB of fetched answers for all
    /// consumers of a client, which is let go when a broker answers with less than 64 KiB, and up to 4 MiB of
    /// opened batches for each consumer.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        if let Err(error) = self.settings.set(name, value) {
            self.wrong.get_or_insert(error);
        }
        self
    }

    /// Looks the topics up and starts fetching. Dropping the future ends what was started.
    ///
    /// # Errors
    /// When a setting is wrong, a topic or partition does not exist, or `fetch.max.bytes` is more than the
    /// client takes in one answer (`receive.message.max.bytes`).
    pub async fn build(self) -> Result<Consumer> {
        let Self {
            client,
            settings,
            wrong,
            assigned,
        } = self;
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        check_frame(settings.max_bytes, client.max_frame())?;
        let budget = Budget::new(settings.queued.0);
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
            match partition {
                Some(partition) => consumer.assign(topic, partition, start).await?,
                None => consumer.assign_all(topic, start).await?,
            }
        }
        // They begin with all partitions assigned, whose offsets then take one request per leader.
        consumer.run(driver.run(todo));
        consumer.run(opener.run(to_open));
        Ok(consumer)
    }
}

/// A fetch that is larger than any answer that is taken would be asked for again and again.
fn check_frame(max_bytes: i32, max_frame: usize) -> Result<()> {
    let most = max_frame.saturating_sub(FETCH_OVERHEAD);
    if usize::try_from(max_bytes).is_ok_and(|max_bytes| max_bytes <= most) {
        return Ok(());
    }
    Err(Error::config(format!(
        "fetch.max.bytes is {max_bytes}, but an answer takes {FETCH_OVERHEAD} bytes more, and the client's \
         receive.message.max.bytes is {max_frame}"
    )))
}

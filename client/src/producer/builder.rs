//! Collects what a producer is to be, and starts it.

use std::{sync::Arc, time::Duration};

use ottla_protocol::records::Compression;
use tokio::sync::mpsc;

use super::{
    Producer, Shared,
    accumulator::Accumulator,
    memory::Memory,
    partitioner::Partitioner,
    sender::Sender,
    settings::{Acks, Settings},
};
use crate::{
    client::Client,
    error::{Error, Result},
    settings::bounded,
};

/// Collects the settings of a producer.
#[must_use = "a builder does nothing until it builds"]
#[derive(Debug)]
pub struct ProducerBuilder {
    client: Client,
    pub(crate) settings: Settings,
    /// The first setting that is wrong, for the end.
    wrong: Option<Error>,
}

impl ProducerBuilder {
    /// `acks`: when a record counts as written. Default [`Acks::All`].
    pub const fn acks(mut self, acks: Acks) -> Self {
        self.settings.acks = acks;
        self
    }

    /// `enable.idempotence`: no retry writes twice. Needs [`Acks::All`], and is the default with it.
    pub const fn idempotence(mut self, idempotence: bool) -> Self {
        self.settings.idempotence = Some(idempotence);
        self
    }

    /// `partitioner`: chooses the partition of records that do not name one. Default
    /// [`Partitioning::Murmur2Random`](super::Partitioning::Murmur2Random), as the Java client.
    pub fn partitioner(mut self, partitioner: impl Partitioner) -> Self {
        self.settings.partitioner = Some(Arc::new(partitioner));
        self
    }

    /// `linger.ms`: how long a batch waits for more records. Default 5 ms, at most 2147483647 ms.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.settings.linger = bounded(linger);
        self
    }

    /// `compression.type`. Default none.
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.settings.compression = compression;
        self
    }

    /// `compression.type` of one topic, instead of that of all others.
    pub fn topic_compression(mut self, topic: &str, compression: Compression) -> Self {
        let topics = &mut self.settings.topic_compression;
        topics.insert(topic.into(), compression);
        self
    }

    /// `delivery.timeout.ms`: how long a batch may take from its first record to its answer; what
    /// [`Producer::send`] waits is not counted. Default 120 s, at most 2147483647 ms.
    pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.settings.delivery_timeout = bounded(timeout);
        self
    }

    /// Sets a producer setting by its Kafka name. One that is wrong is told by [`build`](Self::build): the
    /// first of them with [`UnknownSetting`](crate::ErrorKind::UnknownSetting) when there is no such
    /// setting of a producer, or [`Config`](crate::ErrorKind::Config) when the value is malformed.
    ///
    #[doc = include_str!("../settings/producer.md")]
    ///
    /// # Memory
    /// A producer takes `buffer.memory` and up to 1 MiB more; if it compresses, 2 MiB more, and the size of
    /// a batch for each core.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        if let Err(error) = self.settings.set(name, value) {
            self.wrong.get_or_insert(error);
        }
        self
    }

    /// Starts the producer, on the tokio runtime that it is called on. No broker is asked yet.
    ///
    /// # Errors
    /// When a setting is wrong, or settings contradict each other.
    pub fn build(self) -> Result<Producer> {
        let Self {
            client,
            mut settings,
            wrong,
        } = self;
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        settings.check()?;
        settings.batch_size = settings.batch_size.min(settings.max_request_size);
        let memory = Arc::new(Memory::new(
            settings.buffer_memory,
            settings.batch_size,
            settings.packers(),
        ));
        let accumulator = Arc::new(Accumulator::new(
            memory,
            settings.batch_size,
            client.seeds(),
        ));
        let (commands, queue) = mpsc::channel(16);
        let sender = Sender::new(client.clone(), settings.clone(), accumulator.clone());
        let task = tokio::spawn(sender.run(queue)).abort_handle();
        let shared = Shared {
            client,
            partitioner: settings.partitioner(),
            settings,
            accumulator,
            commands,
            task,
        };
        Ok(Producer {
            shared: Arc::new(shared),
        })
    }
}

impl Producer {
    /// A producer on this client's cluster.
    pub fn builder(client: &Client) -> ProducerBuilder {
        ProducerBuilder {
            client: client.clone(),
            settings: Settings::default(),
            wrong: None,
        }
    }
}

//! The producer: records in, batches out, each written once and in order.
//!
//! `send` serialises a record into its partition's open batch ([`accumulator`]); one task owns
//! everything after that ([`sender`]), with the decisions made by
//! [`ottla_core::producer::Producer`].

mod accumulator;
mod batch;
mod load;
mod memory;
mod packing;
mod partitioner;
mod place;
mod queue;
mod record;
mod sender;
mod settings;
mod sticky;
mod topics;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ottla_protocol::records::{Compression, NewRecord};
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::{Instant, timeout, timeout_at},
};

pub use partitioner::{Choice, Partitioner, Partitioning};
pub use record::{Delivery, Record, RecordMetadata};
pub use settings::Acks;

use accumulator::{Accumulator, Obstacle};
use memory::Memory;
use place::{Place, TopicQueue};
use sender::{Command, Sender};
pub(crate) use settings::Settings;

use crate::{
    client::Client,
    error::{Error, ErrorKind, Result},
    metadata::TopologyRequest,
    settings::bounded,
    topics::{Patience, Search},
};

/// The batch header, which a record's batch takes besides the record.
const BATCH_OVERHEAD: usize = ottla_protocol::records::BatchHeader::LEN;

/// Writes records. Clones are the same producer.
///
/// When the last clone is dropped without [`close`](Self::close) or [`flush`](Self::flush), records
/// that are not written yet are given up, and their [`Delivery`] says so.
///
/// ```no_run
/// # async fn example(client: ottla::Client) -> ottla::Result<()> {
/// use ottla::{Producer, Record};
/// let producer = Producer::builder(&client).build()?;
/// for n in 0..1000 {
///     // Waits while the buffer is full; what became of the record is for the delivery to say.
///     let _delivery = producer.send(Record::to("numbers").value(&n.to_string())).await?;
/// }
/// producer.flush().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Producer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    client: Client,
    settings: Settings,
    partitioner: Arc<dyn Partitioner>,
    accumulator: Arc<Accumulator>,
    commands: mpsc::Sender<Command>,
    task: AbortHandle,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.task.abort();
    }
}

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
    /// [`Partitioning::Murmur2Random`], as the Java client.
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
    /// first of them with [`ErrorKind::UnknownSetting`] when there is no such setting of a producer, or
    /// [`ErrorKind::Config`] when the value is malformed.
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

    /// Buffers a record and returns its delivery. Waits for the topic to be known, and while the
    /// buffer is full, up to `max.block.ms`.
    ///
    /// Dropping the future means the record was not buffered; once it has returned, the record is
    /// sent whatever happens to the [`Delivery`].
    ///
    /// # Errors
    /// The record was not buffered: it is too large, its topic or partition does not exist, there
    /// was no room in time, or the producer is closed.
    pub async fn send(&self, record: Record<'_>) -> Result<Delivery> {
        let new = self.new_record(&record)?;
        match self.append(&record, &new) {
            Ok(delivery) => Ok(delivery),
            // Apart, so that the future is small where nothing is waited for.
            Err(hindered) => Box::pin(self.wait_and_append(&record, &new, *hindered)).await,
        }
    }

    /// [`send`](Self::send) without waiting, for a topic that is already known.
    ///
    /// # Errors
    /// As [`send`](Self::send). [`ErrorKind::BufferFull`] when it would have to wait for memory, and
    /// [`ErrorKind::TopicNotKnown`] for a topic that was not used before: it is then looked up, and
    /// known soon after, if there is such a topic.
    pub fn try_send(&self, record: Record<'_>) -> Result<Delivery> {
        let new = self.new_record(&record)?;
        let mut appended = self.append(&record, &new);
        if let Err(hindered) = &appended
            && matches!(**hindered, Hindered::NeedsTopic)
            && self.knows_topic(record.topic)
        {
            appended = self.append(&record, &new);
        }
        appended.map_err(|hindered| match *hindered {
            Hindered::NeedsTopic => unknown_topic(&record),
            Hindered::NeedsPartition(partitions) => {
                Error::new(ErrorKind::NoSuchPartition { partitions }, sending(&record))
            }
            Hindered::NeedsPages(..) => {
                self.shared.accumulator.refuse();
                Error::new(ErrorKind::BufferFull, sending(&record))
            }
            Hindered::Failed(error) => error,
        })
    }

    /// Appends a record to its partition's batch, if nothing must be waited for.
    #[inline]
    fn append(
        &self,
        record: &Record<'_>,
        new: &NewRecord<'_>,
    ) -> std::result::Result<Delivery, Box<Hindered<'_>>> {
        let Some(topic) = self.shared.accumulator.topic(record.topic) else {
            return Err(Box::new(Hindered::NeedsTopic));
        };
        let Some(place) = topic.choose(record, &*self.shared.partitioner) else {
            return Err(Box::new(self.no_such_partition(topic)));
        };
        self.shared
            .accumulator
            .append(place, new, 0)
            .map_err(|obstacle| {
                Box::new(match obstacle {
                    Obstacle::NeedsPages(pages) => Hindered::NeedsPages(place, pages),
                    Obstacle::Closed => Hindered::Failed(closed(record)),
                })
            })
    }

    /// A partition that the topic does not have as far as is known, which is looked at again.
    #[cold]
    fn no_such_partition(&self, topic: &TopicQueue) -> Hindered<'static> {
        self.shared.client.metadata().hint(TopologyRequest::Stale);
        Hindered::NeedsPartition(topic.count())
    }

    #[inline]
    fn new_record<'a>(&self, record: &Record<'a>) -> Result<NewRecord<'a>> {
        let timestamp = record.timestamp.unwrap_or_else(now_ms);
        let Record {
            key,
            value,
            headers,
            ..
        } = *record;
        let new = NewRecord {
            timestamp,
            key,
            value,
            headers,
        };
        let (size, limit) = (
            new.max_size() + BATCH_OVERHEAD,
            self.shared.settings.max_request_size,
        );
        if size > limit {
            return Err(about(ErrorKind::RecordTooLarge { size, limit }, record));
        }
        Ok(new)
    }

    /// Whether the client knows the topic; else it is asked for.
    fn knows_topic(&self, name: &str) -> bool {
        let client = &self.shared.client;
        if let Some(topic) = client.topology().topic(name) {
            self.shared.accumulator.add_topic(topic);
            return true;
        }
        client.metadata().hint(TopologyRequest::Topic(name.into()));
        false
    }

    #[cold]
    async fn wait_and_append(
        &self,
        record: &Record<'_>,
        new: &NewRecord<'_>,
        mut hindered: Hindered<'_>,
    ) -> Result<Delivery> {
        let Settings {
            max_block,
            unknown_topic_timeout,
            ..
        } = self.shared.settings;
        let deadline = Instant::now() + max_block;
        if matches!(hindered, Hindered::NeedsTopic | Hindered::NeedsPartition(_)) {
            let search = Search {
                topic: record.topic,
                partition: record.partition,
                patience: Patience::Deadline,
                doing: sending(record),
            };
            let until = deadline.min(Instant::now() + unknown_topic_timeout);
            let topic = tokio::select! {
                found = self.shared.client.find(search, until) => found?,
                () = self.shared.accumulator.wait_until_closed() => return Err(closed(record)),
            };
            self.shared.accumulator.add_topic(&topic);
            hindered = match self.append(record, new) {
                Ok(delivery) => return Ok(delivery),
                Err(hindered) => *hindered,
            };
        }
        match hindered {
            Hindered::NeedsPages(place, pages) => {
                let taken = self.append_with_pages(record, new, place, pages);
                timeout_at(deadline, taken)
                    .await
                    .unwrap_or_else(|_| Err(self.no_room(record)))
            }
            Hindered::Failed(error) => Err(error),
            Hindered::NeedsPartition(partitions) => Err(Error::new(
                ErrorKind::NoSuchPartition { partitions },
                sending(record),
            )),
            // Once it was added, a topic stays.
            Hindered::NeedsTopic => Err(about(ErrorKind::TopicNotKnown, record)),
        }
    }

    async fn append_with_pages(
        &self,
        record: &Record<'_>,
        new: &NewRecord<'_>,
        place: Place<'_>,
        mut pages: u32,
    ) -> Result<Delivery> {
        let accumulator = &self.shared.accumulator;
        loop {
            accumulator.take_pages(pages).await;
            match accumulator.append(place, new, pages) {
                Ok(delivery) => return Ok(delivery),
                Err(Obstacle::NeedsPages(more)) => pages = more,
                Err(Obstacle::Closed) => return Err(closed(record)),
            }
        }
    }

    fn no_room(&self, record: &Record<'_>) -> Error {
        let last = Some("the buffer is full (buffer.memory)".to_owned());
        let after_ms = self.shared.settings.max_block.as_millis();
        about(ErrorKind::Timeout { after_ms, last }, record)
    }

    /// Sends what is buffered without lingering and waits until all of it is written or has failed.
    /// Which, each record's [`Delivery`] says.
    ///
    /// Dropping the future changes nothing about the records.
    ///
    /// # Errors
    /// When the producer's task has ended, with its runtime.
    pub async fn flush(&self) -> Result<()> {
        self.command(Command::Flush).await
    }

    /// Takes no more records, waits for those that are buffered up to `deadline`, and gives up the
    /// rest; their [`Delivery`] then says so, as it does where records were refused. Dropping the
    /// future leaves the producer closed, and its records on their way.
    ///
    /// # Errors
    /// When records had to be given up.
    pub async fn close(&self, deadline: Duration) -> Result<()> {
        self.shared.accumulator.close();
        if let Ok(flushed) = timeout(deadline, self.command(Command::Flush)).await {
            return flushed;
        }
        self.command(Command::Abort).await?;
        let last = Some("records that were not written by then were given up".to_owned());
        let kind = ErrorKind::Timeout {
            after_ms: deadline.as_millis(),
            last,
        };
        Err(Error::new(kind, "closing the producer"))
    }

    async fn command(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) -> Result<()> {
        let (done, wait) = oneshot::channel();
        let closed = || Error::closed("the producer", "flushing");
        self.shared
            .commands
            .send(command(done))
            .await
            .map_err(|_| closed())?;
        wait.await.map_err(|_| closed())
    }
}

/// Why a record was not appended at once. Boxed where it is returned, so that a delivery is handed on
/// in registers' worth of space.
enum Hindered<'a> {
    /// Nothing is known of the topic yet.
    NeedsTopic,
    /// The topic has only so many partitions, as far as is known.
    NeedsPartition(usize),
    /// So much memory is wanted there.
    NeedsPages(Place<'a>, u32),
    Failed(Error),
}

fn sending(record: &Record<'_>) -> String {
    match record.partition {
        Some(partition) => format!("sending to {}-{partition}", record.topic),
        None => format!("sending to {}", record.topic),
    }
}

/// What `try_send` says of a topic that is not known: it was asked for, unless it can have no such name.
fn unknown_topic(record: &Record<'_>) -> Error {
    let search = Search {
        topic: record.topic,
        partition: None,
        patience: Patience::Deadline,
        doing: sending(record),
    };
    let invalid = search.check_name().err();
    invalid.unwrap_or_else(|| about(ErrorKind::TopicNotKnown, record))
}

fn closed(record: &Record<'_>) -> Error {
    let what = "the producer";
    about(ErrorKind::Closed { what }, record)
}

/// An error about the topic and the partition that a record names.
fn about(kind: ErrorKind, record: &Record<'_>) -> Error {
    let error = Error::new(kind, sending(record));
    let topic = record.topic.into();
    match record.partition {
        Some(partition) => error.about(&topic, partition),
        None => error.about_topic(&topic),
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    // In 64 bits, which `as_millis` is not.
    since.as_secs() as i64 * 1000 + i64::from(since.subsec_millis())
}

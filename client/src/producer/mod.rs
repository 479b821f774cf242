//! The producer: records in, batches out, each written once and in order.
//!
//! `send` serialises a record into its partition's open batch ([`accumulator`]); one task owns
//! everything after that ([`sender`]), with the decisions made by
//! [`ottla_core::producer::Producer`].

mod accumulator;
mod batch;
mod builder;
mod load;
mod memory;
mod owned;
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
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use ottla_protocol::records::NewRecord;
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::{Instant, timeout, timeout_at},
};

pub use builder::ProducerBuilder;
pub use owned::OwnedRecord;
pub use partitioner::{Choice, Partitioner, Partitioning};
pub use record::{Delivery, FewHeaders, HeaderList, Record, RecordMetadata};
pub use settings::Acks;

use accumulator::{Accumulator, Obstacle};
use place::{Place, TopicQueue};
use sender::{Command, Failures};
pub(crate) use settings::Settings;

use crate::{
    client::Client,
    error::{Error, ErrorKind, Result},
    metadata::TopologyRequest,
    time,
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
#[derive(Clone)]
pub struct Producer {
    shared: Arc<Shared>,
}

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

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}

impl Producer {
    /// Buffers a record and returns its delivery. Waits for the topic to be known, and while the
    /// buffer is full, up to `max.block.ms`.
    ///
    /// Dropping the future means the record was not buffered; once it has returned, the record is
    /// sent whatever happens to the [`Delivery`].
    ///
    /// # Errors
    /// The record was not buffered: it is too large, its topic or partition does not exist, there
    /// was no room in time, or the producer is closed.
    pub async fn send<'r>(&self, record: Record<'r, impl HeaderList<'r>>) -> Result<Delivery> {
        let record = &record.lend();
        let new = self.new_record(record)?;
        match self.append(record, &new) {
            Ok(delivery) => Ok(delivery),
            // Apart, so that the future is small where nothing is waited for.
            Err(hindered) => Box::pin(self.wait_and_append(record, &new, *hindered)).await,
        }
    }

    /// [`send`](Self::send) without waiting, for a topic that is already known.
    ///
    /// # Errors
    /// As [`send`](Self::send). [`ErrorKind::BufferFull`] when it would have to wait for memory, and
    /// [`ErrorKind::TopicNotKnown`] for a topic that was not used before: it is then looked up, and
    /// known soon after, if there is such a topic.
    pub fn try_send<'r>(&self, record: Record<'r, impl HeaderList<'r>>) -> Result<Delivery> {
        let record = &record.lend();
        let new = self.new_record(record)?;
        let mut appended = self.append(record, &new);
        if let Err(hindered) = &appended
            && matches!(**hindered, Hindered::NeedsTopic)
            && self.knows_topic(record.topic)
        {
            appended = self.append(record, &new);
        }
        appended.map_err(|hindered| match *hindered {
            Hindered::NeedsTopic => unknown_topic(record),
            Hindered::NeedsPartition(partitions) => {
                Error::new(ErrorKind::NoSuchPartition { partitions }, sending(record))
            }
            Hindered::NeedsPages(..) => {
                self.shared.accumulator.refuse();
                Error::new(ErrorKind::BufferFull, sending(record))
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
        let new = NewRecord {
            timestamp,
            key: record.key,
            value: record.value,
            headers: record.headers,
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
    /// [`ErrorKind::Unwritten`] when records failed since the last flush that told of any, whether or not
    /// their deliveries were looked at; else when the producer's task has ended, with its runtime.
    pub async fn flush(&self) -> Result<()> {
        let failures = self.command(Command::Flush).await?;
        failures.into_result("flushing the producer")
    }

    /// Takes no more records, and waits until those that are buffered are written or have failed, which
    /// `delivery.timeout.ms` bounds; their [`Delivery`] says which. Dropping the future leaves the
    /// producer closed, and its records on their way.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub async fn close(&self) -> Result<()> {
        self.shared.accumulator.close();
        let failures = self.command(Command::Flush).await?;
        failures.into_result("closing the producer")
    }

    /// [`close`](Self::close) that waits up to `deadline`, and gives up the records that are not written by
    /// then; their [`Delivery`] then says so. Dropping the future leaves the producer closed, and its
    /// records on their way.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] when records had to be given up, which says how many failed with them; else as
    /// [`flush`](Self::flush).
    pub async fn close_within(&self, deadline: Duration) -> Result<()> {
        if let Ok(closed) = timeout(deadline, self.close()).await {
            return closed;
        }
        let failures = self.command(Command::Abort).await?;
        let doing = "closing the producer";
        let after_ms = deadline.as_millis();
        let last = match failures.into_result(doing) {
            // The last were written just then.
            Ok(()) => return Ok(()),
            Err(error) => Some(error.kind().to_string()),
        };
        Err(Error::new(ErrorKind::Timeout { after_ms, last }, doing))
    }

    async fn command(
        &self,
        command: impl FnOnce(oneshot::Sender<Failures>) -> Command,
    ) -> Result<Failures> {
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
    time::millis(SystemTime::now())
}

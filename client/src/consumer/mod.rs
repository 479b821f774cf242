//! The consumer: assigned partitions in, batches or records out.
//!
//! One task owns the positions and fetches ([`driver`]), with the decisions made by
//! [`ottla_core::fetcher::Fetcher`]; another opens what came in, so that checksums and decompression
//! cost neither the application's task nor the next fetch. The application takes from a queue that
//! is bounded in bytes.

mod driver;
mod fetched;
mod opener;
mod settings;

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use ottla_core::fetcher::{Reset, Start};
use ottla_protocol::records::{Decompressor, Record};
use tokio::{
    sync::{Notify, mpsc},
    task::AbortHandle,
};

pub use fetched::{BatchRecords, ConsumerRecord, RecordBatch};

use driver::{Command, Driver};
use opener::Opener;
use settings::Settings;

use crate::{
    client::Client,
    error::{Error, ErrorKind, Result},
};

/// Reads assigned partitions. Dropping it ends its fetches.
///
/// ```no_run
/// # async fn example(client: ottla::Client) -> ottla::Result<()> {
/// use ottla::{Consumer, Start};
/// let mut consumer = Consumer::builder(&client)
///     .assign("orders", 0, Start::Earliest)
///     .assign("orders", 1, Start::Earliest)
///     .build()
///     .await?;
/// loop {
///     let batch = consumer.next_batch().await?;
///     for record in &batch {
///         let record = record?;
///         println!("{}: {:?}", record.offset, record.value);
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Consumer {
    partitions: HashMap<Key, Assigned>,
    client: Client,
    numbers: Numbers,
    /// Bounded in bytes by the queue's size.
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    /// What was held while its partition was paused, and comes before all that arrives.
    resumed: VecDeque<Arrival>,
    /// As many as the application makes calls; they are taken before anything else.
    commands: mpsc::UnboundedSender<Command>,
    queue: Arc<QueueSize>,
    /// What was handed out last: coming back for more moves the position behind it.
    handed_out: Option<(Key, i64)>,
    /// The batch that single records are taken from, and how far that went.
    current: Option<(RecordBatch, (usize, i32))>,
    tasks: [AbortHandle; 2],
}

/// A topic and partition.
type Key = (Arc<str>, i32);

#[derive(Debug)]
struct Assigned {
    incarnation: Incarnation,
    position: Option<i64>,
    /// While it is paused: what was fetched before and is handed out after.
    held: Option<VecDeque<Arrival>>,
}

/// Which assignment or seek of a partition is the current one, and which attempt at fetching it:
/// tells what is out of date from what is not, all the way from the broker to the application.
/// Shared with the tasks. A new attempt leaves valid what the application was given by the old.
#[derive(Debug, Clone)]
struct Incarnation(Arc<AtomicU64>);

impl Incarnation {
    fn new(number: u32) -> Self {
        Self(Arc::new(AtomicU64::new(pack(number, number))))
    }

    fn load(&self) -> (u32, u32) {
        let both = self.0.load(Ordering::Acquire);
        ((both >> 32) as u32, both as u32)
    }

    /// The current assignment or seek.
    fn wanted(&self) -> u32 {
        self.load().0
    }

    /// The current attempt at fetching.
    fn fetching(&self) -> u32 {
        self.load().1
    }

    /// The assignment or seek that this attempt serves, unless it is out of date.
    fn served_by(&self, fetching: u32) -> Option<u32> {
        let (wanted, current) = self.load();
        (current == fetching).then_some(wanted)
    }

    /// The application wants something else.
    fn replace(&self, with: u32) {
        self.0.store(pack(with, with), Ordering::Release);
    }

    /// Fetching starts over; false when the application came before that.
    fn supersede(&self, old: u32, new: u32) -> bool {
        let Some(wanted) = self.served_by(old) else {
            return false;
        };
        let (from, to) = (pack(wanted, old), pack(wanted, new));
        self.0
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }
}

const fn pack(wanted: u32, fetching: u32) -> u64 {
    (wanted as u64) << 32 | fetching as u64
}

/// Numbers for incarnations, none of them used twice.
#[derive(Debug, Clone, Default)]
struct Numbers(Arc<AtomicU32>);

impl Numbers {
    fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// Something for the application, in the order it came in.
#[derive(Debug)]
struct Arrival {
    key: Key,
    /// The assignment or seek that it answers.
    wanted: u32,
    /// What it is charged for in the queue.
    size: usize,
    content: Result<RecordBatch>,
}

/// What an error is charged for in the queue, so that they do not pile up either.
const ERROR_SIZE: usize = 1024;

/// Bytes that were fetched and not taken yet: the one honest budget, over decompressed bytes.
#[derive(Debug)]
struct QueueSize {
    bytes: AtomicUsize,
    limit: usize,
    room: Notify,
}

impl QueueSize {
    fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn remove(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if before >= self.limit && before - bytes < self.limit {
            self.room.notify_one();
        }
    }

    fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) < self.limit
    }
}

/// Collects the settings and partitions of a consumer.
#[must_use = "a builder does nothing until it builds"]
#[derive(Debug)]
pub struct ConsumerBuilder {
    client: Client,
    settings: Settings,
    assigned: Vec<(Arc<str>, i32, Start)>,
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
    /// | `queued.max.messages.kbytes` | 65536 | KiB of opened batches that wait; then fetching pauses |
    ///
    /// # Errors
    /// [`ErrorKind::UnknownSetting`] when the name is none of these, [`ErrorKind::Config`] when the
    /// value is malformed.
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
        let (bytes, room) = (AtomicUsize::new(0), Notify::new());
        let queue = Arc::new(QueueSize {
            bytes,
            limit: settings.queued_bytes,
            room,
        });
        let (commands, todo) = mpsc::unbounded_channel();
        let (opened, arrivals) = mpsc::unbounded_channel();
        let (raw, to_open) = mpsc::unbounded_channel();
        let numbers = Numbers::default();
        let opener = Opener {
            decompressor: Decompressor::new(settings.max_decompressed),
            check_crcs: settings.check_crcs,
            opened,
            commands: commands.clone(),
            queue: queue.clone(),
            numbers: numbers.clone(),
        };
        let driver = Driver::new(client.clone(), settings, queue.clone(), raw);
        let tasks = [
            tokio::spawn(driver.run(todo)).abort_handle(),
            tokio::spawn(opener.run(to_open)).abort_handle(),
        ];
        let mut consumer = Consumer {
            partitions: HashMap::new(),
            client,
            numbers,
            arrivals,
            resumed: VecDeque::new(),
            commands,
            queue,
            handed_out: None,
            current: None,
            tasks,
        };
        for (topic, partition, start) in assigned {
            consumer.assign(topic, partition, start).await?;
        }
        Ok(consumer)
    }
}

impl Consumer {
    /// A consumer on this client's cluster.
    pub fn builder(client: &Client) -> ConsumerBuilder {
        let settings = Settings::default();
        ConsumerBuilder {
            client: client.clone(),
            settings,
            assigned: Vec::new(),
        }
    }

    /// Starts reading another partition, or an assigned one from another place. Dropping the future
    /// means that nothing was assigned.
    ///
    /// # Errors
    /// When the topic or partition does not exist.
    pub async fn assign(
        &mut self,
        topic: impl Into<Arc<str>>,
        partition: i32,
        start: Start,
    ) -> Result<()> {
        let topic = topic.into();
        let key = (topic.clone(), partition);
        if self.partitions.contains_key(&key) {
            return self.seek(&topic, partition, start);
        }
        let doing = format!("assigning {topic}-{partition}");
        self.client.topic_with(&topic, partition, doing).await?;
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

    /// Moves the position of a partition. What was fetched from the old one is dropped.
    ///
    /// # Errors
    /// When the partition is not assigned.
    pub fn seek(&mut self, topic: &str, partition: i32, start: Start) -> Result<()> {
        let key = self.key(topic, partition)?;
        let incarnation = self.numbers.next();
        if let Some(assigned) = self.partitions.get_mut(&key) {
            assigned.incarnation.replace(incarnation);
            assigned.position = start.offset();
            assigned.held.iter_mut().for_each(VecDeque::clear);
        }
        self.forget(&key);
        self.command(Command::Seek {
            key,
            start,
            incarnation,
        })
    }

    /// Stops fetching a partition and hands nothing of it out, until [`resume`](Self::resume). What
    /// was fetched of it is kept.
    ///
    /// # Errors
    /// When the partition is not assigned.
    pub fn pause(&mut self, topic: &str, partition: i32) -> Result<()> {
        let key = self.key(topic, partition)?;
        let begun = self
            .current
            .take_if(|(batch, _)| batch.topic == key.0 && batch.partition == key.1);
        let next = self
            .handed_out
            .as_ref()
            .filter(|(handed, _)| *handed == key);
        let next = next.map(|(_, next)| *next);
        if let Some(assigned) = self.partitions.get_mut(&key) {
            let wanted = assigned.incarnation.wanted();
            let held = assigned.held.get_or_insert_default();
            held.extend(begun.map(|(batch, _)| Arrival {
                key: key.clone(),
                wanted,
                size: 0,
                content: Ok(batch.starting_at(next.or(assigned.position))),
            }));
        }
        self.command(Command::Pause(key, true))
    }

    /// Goes on with a partition.
    ///
    /// # Errors
    /// When the partition is not assigned.
    pub fn resume(&mut self, topic: &str, partition: i32) -> Result<()> {
        let key = self.key(topic, partition)?;
        let assigned = self.partitions.get_mut(&key);
        if let Some(held) = assigned.and_then(|assigned| assigned.held.take()) {
            self.queue
                .add(held.iter().map(|arrival| arrival.size).sum());
            self.resumed.extend(held);
        }
        self.command(Command::Pause(key, false))
    }

    /// The offset of the next record that will be handed out. It moves when the application comes
    /// back for more, not when it is given something. `None` until a start that must be looked up
    /// has led to a first batch, and for partitions that are not assigned.
    #[must_use]
    pub fn position(&self, topic: &str, partition: i32) -> Option<i64> {
        self.partitions.get(&(topic.into(), partition))?.position
    }

    /// The next batch, of whichever partition has one. Nothing is copied. A batch of transaction
    /// markers, or one that compaction emptied, comes without records: it moves the position all the
    /// same (rule 63).
    ///
    /// Dropping the future loses nothing. Batches and single records can be taken in turn: what is
    /// left of a batch that [`recv`](Self::recv) began comes first, perhaps without records.
    ///
    /// # Errors
    /// When a broker refuses a partition in a way that does not pass, a batch is damaged, or a
    /// position is outside the log and `auto.offset.reset` is none. The other partitions go on, and so
    /// does this one after a while, from the same position.
    pub async fn next_batch(&mut self) -> Result<RecordBatch> {
        poll_fn(|cx| self.poll_next_batch(cx)).await
    }

    fn poll_next_batch(&mut self, cx: &mut Context<'_>) -> Poll<Result<RecordBatch>> {
        self.come_back();
        if let Some((batch, _)) = self.current.take() {
            return Poll::Ready(Ok(self.rest_of(batch)));
        }
        loop {
            let arrival = match self.resumed.pop_front() {
                Some(arrival) => Some(arrival),
                None => match self.arrivals.poll_recv(cx) {
                    Poll::Ready(arrival) => arrival,
                    Poll::Pending => return Poll::Pending,
                },
            };
            let Some(arrival) = arrival else {
                return Poll::Ready(Err(Error::new(ErrorKind::Closed, "the consumer")));
            };
            if let Some(content) = self.admit(arrival) {
                return Poll::Ready(content);
            }
        }
    }

    /// What is left of a batch whose first records were handed out one by one.
    fn rest_of(&mut self, batch: RecordBatch) -> RecordBatch {
        let key = (batch.topic.clone(), batch.partition);
        let position = self.partitions.get(&key).and_then(|a| a.position);
        let rest = batch.starting_at(position);
        self.handed_out = Some((key, rest.next_offset()));
        rest
    }

    /// What an arrival is to the application now: nothing where it is out of date, nor while its
    /// partition is paused.
    fn admit(&mut self, arrival: Arrival) -> Option<Result<RecordBatch>> {
        self.queue.remove(arrival.size);
        let assigned = self.partitions.get_mut(&arrival.key)?;
        if assigned.incarnation.wanted() != arrival.wanted {
            return None;
        }
        if let Some(held) = &mut assigned.held {
            held.push_back(arrival);
            return None;
        }
        let Arrival { key, content, .. } = arrival;
        Some(content.inspect(|batch| self.handed_out = Some((key, batch.next_offset()))))
    }

    /// The next record. It shares the buffer of its batch, which costs an allocation only for
    /// headers; [`next_batch`](Self::next_batch) costs none.
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// As [`next_batch`](Self::next_batch). A record that is malformed is told again by every call, and
    /// nothing else comes, until its partition is sought, paused or unassigned.
    pub async fn recv(&mut self) -> Result<ConsumerRecord> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// [`recv`](Self::recv) for whoever writes a future by hand.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<ConsumerRecord>> {
        loop {
            if let Some((batch, at)) = self.current.take() {
                self.come_back();
                let mut records = batch.resume(at);
                match records.next() {
                    Some(Ok(record)) => {
                        let record = self.hand_out(&batch, &record);
                        let at = records.position();
                        self.current = Some((batch, at));
                        return Poll::Ready(Ok(record));
                    }
                    // It stays in front of the damage until the application seeks.
                    Some(Err(error)) => {
                        self.current = Some((batch, at));
                        return Poll::Ready(Err(error));
                    }
                    None => {
                        let key = (batch.topic.clone(), batch.partition);
                        self.handed_out = Some((key, batch.next_offset()));
                    }
                }
            }
            match self.poll_next_batch(cx) {
                Poll::Ready(Ok(batch)) => {
                    let start = batch.records().position();
                    self.handed_out = None;
                    self.current = Some((batch, start));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn hand_out(&mut self, batch: &RecordBatch, record: &Record<'_>) -> ConsumerRecord {
        let (topic, partition) = (batch.topic.clone(), batch.partition);
        let owned = record.to_owned();
        self.handed_out = Some(((topic.clone(), partition), owned.offset + 1));
        ConsumerRecord {
            topic,
            partition,
            offset: owned.offset,
            timestamp: owned.timestamp,
            key: owned.key,
            value: owned.value,
            headers: owned.headers,
        }
    }

    /// The application came back for more: what it was given is behind it.
    fn come_back(&mut self) {
        if let Some((key, next)) = self.handed_out.take()
            && let Some(assigned) = self.partitions.get_mut(&key)
        {
            assigned.position = Some(next);
        }
    }

    fn forget(&mut self, key: &Key) {
        self.handed_out.take_if(|(handed, _)| handed == key);
        self.current
            .take_if(|(batch, _)| batch.topic == key.0 && batch.partition == key.1);
    }

    fn key(&self, topic: &str, partition: i32) -> Result<Key> {
        let key: Key = (topic.into(), partition);
        if self.partitions.contains_key(&key) {
            return Ok(key);
        }
        Err(Error::config(format!(
            "{topic}-{partition} is not assigned to this consumer"
        )))
    }

    fn command(&self, command: Command) -> Result<()> {
        self.commands
            .send(command)
            .map_err(|_| Error::new(ErrorKind::Closed, "the consumer"))
    }
}

impl futures_core::Stream for Consumer {
    type Item = Result<ConsumerRecord>;

    /// Never ends: a partition has no end, only a pause.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx).map(Some)
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

//! The consumer: assigned partitions in, batches or records out.
//!
//! One task owns the positions and fetches ([`driver`]), with the decisions made by
//! [`ottla_core::fetcher::Fetcher`]; another opens what came in, so that checksums and decompression
//! cost neither the application's task nor the next fetch. The application takes from a queue that
//! is bounded in bytes.

mod arrivals;
mod assigning;
mod assignment;
mod budget;
mod builder;
mod command;
mod driver;
mod fetched;
mod opener;
mod settings;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use ottla_core::fetcher::Start;
use ottla_protocol::records::Record;
use tokio::{sync::mpsc, task::AbortHandle};

pub use builder::ConsumerBuilder;
pub use fetched::{BatchRecords, ConsumerRecord, RecordBatch};

use arrivals::{Arrival, Trouble};
use assignment::{Incarnation, Key, Numbers};
use budget::{Budget, ENTRY};
use command::Command;
pub(crate) use settings::Settings;

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
    budget: Arc<Budget>,
    /// What was handed out last: coming back for more moves the position behind it.
    handed_out: Option<(Key, i64)>,
    /// The batch that single records are taken from, and how far that went.
    current: Option<(RecordBatch, (usize, i32))>,
    /// Partitions of which nothing comes until the application seeks, and why.
    lost: BTreeMap<Key, Error>,
    tasks: Vec<AbortHandle>,
}

#[derive(Debug)]
struct Assigned {
    incarnation: Incarnation,
    position: Option<i64>,
    /// While it is paused: what was fetched before and is handed out after.
    held: Option<VecDeque<Arrival>>,
}

impl Consumer {
    fn new(
        client: Client,
        numbers: Numbers,
        arrivals: mpsc::UnboundedReceiver<Arrival>,
        commands: mpsc::UnboundedSender<Command>,
        budget: Arc<Budget>,
    ) -> Self {
        Self {
            partitions: HashMap::new(),
            client,
            numbers,
            arrivals,
            resumed: VecDeque::new(),
            commands,
            budget,
            handed_out: None,
            current: None,
            lost: BTreeMap::new(),
            tasks: Vec::new(),
        }
    }

    /// Starts one of its tasks, which ends with the consumer.
    fn run(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(tokio::spawn(task).abort_handle());
    }

    /// Moves the position of a partition. What was fetched from the old one is dropped.
    ///
    /// # Errors
    /// When the partition is not assigned.
    pub fn seek(&mut self, topic: &str, partition: i32, start: Start) -> Result<()> {
        let key = self.key(topic, partition)?;
        check(start, topic, partition)?;
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
                charge: None,
                size: 0,
                _frame: None,
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
            let budget = &self.budget;
            // What of this partition waits since it was resumed before comes after what it held.
            for held in held.into_iter().rev() {
                self.resumed.push_front(Arrival {
                    charge: Some(budget.charge_opened(held.size)),
                    ..held
                });
            }
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
    /// When nothing is assigned, a broker refuses a partition in a way that does not pass, a batch is
    /// damaged, or a position is outside the log and `auto.offset.reset` is none. The other partitions go on, and so
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
                    Poll::Pending => return self.nothing_to_read(),
                },
            };
            let Some(arrival) = arrival else {
                return Poll::Ready(Err(closed()));
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

    /// Nothing is there to read. That is an error while a partition waits for a seek: waiting would
    /// tell the application nothing.
    fn nothing_to_read(&self) -> Poll<Result<RecordBatch>> {
        // Nobody else can assign anything while this is borrowed: it would wait for ever.
        if self.partitions.is_empty() {
            return Poll::Ready(Err(Error::new(ErrorKind::NothingAssigned, "reading")));
        }
        match self.lost.values().next() {
            Some(error) => Poll::Ready(Err(error.clone())),
            None => Poll::Pending,
        }
    }

    /// What an arrival is to the application now: nothing where it is out of date, nor while its
    /// partition is paused. Its charge ends here.
    fn admit(&mut self, mut arrival: Arrival) -> Option<Result<RecordBatch>> {
        arrival.charge = None;
        let assigned = self.partitions.get_mut(&arrival.key)?;
        if assigned.incarnation.wanted() != arrival.wanted {
            return None;
        }
        if let Some(held) = &mut assigned.held {
            // A paused partition takes no part of the budget from the others. Its batches are charged
            // whole when it is resumed.
            let bytes = arrival.content.as_ref().map_or(0, RecordBatch::size);
            held.push_back(Arrival {
                size: arrival.size.max(ENTRY + bytes),
                _frame: None,
                ..arrival
            });
            return None;
        }
        let Arrival { key, content, .. } = arrival;
        match content {
            Ok(batch) => {
                self.handed_out = Some((key, batch.next_offset()));
                Some(Ok(batch))
            }
            Err(Trouble { error, lost }) => {
                if lost {
                    self.lost.insert(key, error.clone());
                }
                Some(Err(error))
            }
        }
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

    /// [`recv`](Self::recv) for futures that are written by hand.
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
        let record = ConsumerRecord::new(batch, record);
        let key = (record.topic.clone(), record.partition);
        self.handed_out = Some((key, record.offset + 1));
        record
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
        self.lost.remove(key);
        self.handed_out.take_if(|(handed, _)| handed == key);
        self.current
            .take_if(|(batch, _)| batch.topic == key.0 && batch.partition == key.1);
    }

    /// The bytes that are charged to `queued.max.messages.kbytes` now, for tests that look for what is
    /// never given back.
    #[doc(hidden)]
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.budget.charged()
    }

    fn key(&self, topic: &str, partition: i32) -> Result<Key> {
        let key: Key = (topic.into(), partition);
        if self.partitions.contains_key(&key) {
            return Ok(key);
        }
        let doing = format!("looking for {topic}-{partition}");
        Err(Error::new(ErrorKind::NotAssigned, doing).about(&key.0, partition))
    }

    fn command(&self, command: Command) -> Result<()> {
        self.commands.send(command).map_err(|_| closed())
    }
}

/// Refuses a start that no log has: brokers would take some for other questions.
fn check(start: Start, topic: &str, partition: i32) -> Result<()> {
    start.check().map_err(|error| {
        let doing = format!("reading {topic}-{partition}");
        Error::argument(&error, doing).about(&topic.into(), partition)
    })
}

fn closed() -> Error {
    Error::closed("the consumer", "reading")
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("client", &self.client)
            .field("assignment", &self.assignment())
            .finish_non_exhaustive()
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

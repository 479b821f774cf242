//! One run: a cluster, producers and a consumer on it, and a storm that passes.

mod trouble;

use std::{
    collections::{BTreeSet, HashSet},
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use ottla::{
    Acks, Client, Consumer, Delivery, ErrorKind, Producer, Record, Reset, Start,
    protocol::records::{Batches, Decompressor},
};
use ottla_broker::Cluster;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    faults::Faults,
    laws,
    plan::{Ending, Family, LONG, Plan, Reading, Sending},
    rates, wandering,
    wire::Wiring,
};

/// The partitions of a run have numbers, and belong to these topics in turn.
const TOPICS: [&str; 2] = ["t", "u"];
/// What lasts longer than this, when nothing goes wrong any more, hangs.
const PATIENCE: Duration = Duration::from_secs(300);
/// After a storm, until the last late copy has arrived and the last wait is over.
const SETTLING: Duration = Duration::from_secs(15);
/// How long rates are counted when nothing is left to do.
const QUIET: Duration = Duration::from_secs(10);
/// The uses of connections to one broker that a client without consumers has: metadata, producing,
/// producer ids, general and slow requests. To each bootstrap server one more may lead, for metadata.
const USES: usize = 5;
/// Records that fill the memory of a producer.
const FILLER: usize = 4000;

/// Everything that happened.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) sent: Vec<Sent>,
    /// By partition, the log as it stands at the end, behind what was deleted of it.
    pub(crate) logs: Vec<Vec<Stored>>,
    /// What the consumer read, in its order.
    pub(crate) read: Vec<(i32, i64, Bytes)>,
    /// What the wandering consumer read, in its order.
    pub(crate) wandered: Vec<(i32, i64, Bytes)>,
    /// Which partition each broker has led.
    led: BTreeSet<(i32, i32)>,
    /// What is wrong whatever the records say.
    pub(crate) wrong: Vec<String>,
    pub(crate) trace: Vec<String>,
}

/// A record that was sent, and what the producer said of it.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) producer: usize,
    pub(crate) partition: i32,
    pub(crate) value: Bytes,
    pub(crate) fate: Fate,
}

#[derive(Debug, Clone)]
pub(crate) enum Fate {
    /// `send` took it not.
    NotTaken,
    /// Written at this offset; -1 is an unknown one.
    Written(i64),
    Failed {
        possibly_written: bool,
        timed_out: bool,
        error: String,
    },
    /// Nothing was ever said.
    Hung,
}

/// A record in a log.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) offset: i64,
    pub(crate) value: Bytes,
}

type Shared<T> = Arc<Mutex<T>>;

fn with<T, R>(shared: &Shared<T>, f: impl FnOnce(&mut T) -> R) -> R {
    f(&mut shared.lock().unwrap_or_else(PoisonError::into_inner))
}

/// What the tasks of a run share.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) plan: Arc<Plan>,
    pub(crate) cluster: Cluster,
    pub(crate) faults: Arc<Faults>,
    clients: [Client; 2],
    history: Shared<History>,
    /// Whether everything has been written and read.
    over: Arc<AtomicBool>,
    /// Whether the rates of a quiet time are counted.
    quiet_is_over: Arc<AtomicBool>,
}

/// Topic and partition of a number.
pub(crate) fn place(number: i32) -> (&'static str, i32) {
    (
        TOPICS[number as usize % TOPICS.len()],
        number / TOPICS.len() as i32,
    )
}

/// The number of a topic's partition.
pub(crate) fn number(topic: &str, partition: i32) -> i32 {
    let at = TOPICS
        .iter()
        .position(|t| *t == topic)
        .expect("it is one of them");
    partition * TOPICS.len() as i32 + at as i32
}

/// Plays a plan through.
pub(crate) async fn run(plan: &Plan) -> History {
    let replicas = plan.min_insync_replicas.to_string();
    let configs = [("min.insync.replicas", replicas.as_str())];
    let brokers = plan.brokers.to_string();
    let cluster = Cluster::builder().brokers(plan.brokers).in_memory();
    let cluster = cluster.set("default.replication.factor", &brokers);
    let cluster = TOPICS.iter().fold(cluster, |cluster, topic| {
        let numbers = (0..plan.partitions).map(place);
        match numbers.filter(|(t, _)| t == topic).count() as i32 {
            0 => cluster,
            partitions => cluster.topic_with(topic, partitions, &configs),
        }
    });
    let cluster = cluster.start().await.expect("the cluster starts");
    let faults = Arc::new(Faults::new(plan, cluster.clone()));
    let hook = faults.clone();
    let control = cluster.control(move |request| hook.decide(request));
    let world = World {
        clients: [
            connect(plan, &cluster, &faults).await,
            connect(plan, &cluster, &faults).await,
        ],
        plan: Arc::new(plan.clone()),
        cluster,
        faults: faults.clone(),
        history: Shared::default(),
        over: Arc::default(),
        quiet_is_over: Arc::default(),
    };
    with(&world.history, |h| {
        h.logs.resize(plan.partitions as usize, Vec::new());
    });
    world.play().await;
    // The hook keeps the cluster, which keeps the hook.
    control.remove();
    let mut history = with(&world.history, std::mem::take);
    history.trace = faults.trace();
    history
}

async fn connect(plan: &Plan, cluster: &Cluster, faults: &Arc<Faults>) -> Client {
    let (cluster, faults) = (cluster.clone(), faults.clone());
    let mut builder = Client::builder(cluster.bootstrap())
        .request_timeout(plan.request_timeout)
        .api_timeout(Duration::from_secs(20))
        .seed(plan.seed)
        .connect_with(Wiring { cluster, faults });
    let age = plan.metadata_max_age.as_millis().to_string();
    builder = builder.set("metadata.max.age.ms", &age);
    let idle = plan.metadata_max_idle.as_millis().to_string();
    builder = builder.set("metadata.max.idle.ms", &idle);
    builder.connect().await.expect("nothing goes wrong yet")
}

impl World {
    async fn play(&self) {
        let reading = tokio::spawn(self.clone().read());
        let wandering = tokio::spawn(wandering::wander(self.clone()));
        self.faults.set_storm(true);
        let chaos = tokio::spawn(self.clone().chaos());
        let producers = self.plan.producers.iter().enumerate();
        let sending: Vec<_> = producers
            .map(|(n, how)| tokio::spawn(self.clone().produce(n, how.clone())))
            .collect();
        sleep(self.plan.weather.storm).await;
        self.faults.set_storm(false);
        chaos.await.expect("the chaos ends");
        for (n, sending) in sending.into_iter().enumerate() {
            match timeout(PATIENCE, sending).await {
                Ok(sent) => sent.expect("no producer panics"),
                Err(_) => self.wrong(format!("producer {n} hangs")),
            }
        }
        sleep(SETTLING).await;
        (0..self.plan.partitions).for_each(|n| self.keep_log(n));
        if self.plan.family == Family::Answered && self.plan.is_one_by_one() {
            for refused in self.faults.refusals.take() {
                self.wrong(format!(
                    "out of order, with one request in flight: {refused}"
                ));
            }
        }
        self.await_reader().await;
        self.over.store(true, Ordering::Relaxed);
        self.joins("the wanderer", wandering).await;
        let quiet = self.faults.counts();
        sleep(QUIET).await;
        for wrong in rates::broken(&self.plan, &quiet, &self.faults.counts(), QUIET) {
            self.wrong(wrong);
        }
        self.quiet_is_over.store(true, Ordering::Relaxed);
        self.joins("the reader", reading).await;
        self.expect_nothing_held().await;
    }

    /// When producers and consumers are gone, no topic is in use, and the connections of consumers are
    /// closed.
    async fn expect_nothing_held(&self) {
        sleep(Duration::from_secs(1)).await;
        for (n, client) in self.clients.iter().enumerate() {
            let counts = client.counts();
            if counts.leases != 0 || counts.links > (USES + 1) * self.plan.brokers as usize {
                self.wrong(format!("client {n} still holds {counts:?}"));
            }
        }
    }

    pub(crate) fn over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(crate) fn wrong(&self, what: String) {
        self.faults.note(format!("WRONG: {what}"));
        with(&self.history, |h| h.wrong.push(what));
    }

    /// Waits for what must come to an end now, and says what does not.
    async fn ends<T>(&self, what: &str, future: impl Future<Output = T>) -> Option<T> {
        let done = timeout(PATIENCE, future).await;
        if done.is_err() {
            self.wrong(format!("{what} hangs"));
        }
        done.ok()
    }

    /// Waits for a task that must come to an end now.
    async fn joins(&self, what: &str, task: JoinHandle<()>) {
        if let Some(ended) = self.ends(what, task).await {
            ended.unwrap_or_else(|error| self.wrong(format!("{what}: {error}")));
        }
    }

    // ---- producers ----

    async fn produce(self, number: usize, how: Sending) {
        let producer = self.producer(number, &how);
        let mut script = Script {
            world: self,
            producer,
            number,
            sent: Vec::new(),
            told: 0,
            next: 0,
        };
        script.storm(&how).await;
        if how.ending == Ending::Calm {
            script.calm(&how).await;
        }
        let closing = script.producer.close_within(Duration::from_secs(1));
        let closed = script.world.ends("close", closing).await;
        if how.ending == Ending::Calm && matches!(closed, Some(Err(_))) {
            script.world.wrong(format!("close of {number}: {closed:?}"));
        }
        let is_told = script.is_told(closed.as_ref());
        script.settle_from(0).await;
        // A close that gives records up says in words how many.
        if is_told && closed.is_some() {
            script.expect_told();
        }
        if how.delivery_timeout == LONG {
            script.expect_no_timeout();
        }
        script.settle().await;
    }

    fn producer(&self, number: usize, how: &Sending) -> Producer {
        let idempotent = self.plan.family != Family::AtLeastOnce;
        let acks = match how.burst % 2 {
            0 if !idempotent => Acks::Leader,
            _ => Acks::All,
        };
        let mut builder = Producer::builder(&self.clients[number % 2])
            .idempotence(idempotent)
            .acks(acks)
            .linger(how.linger)
            .compression(how.compression)
            .delivery_timeout(how.delivery_timeout);
        for (name, value) in [
            ("batch.size", how.batch_size),
            ("max.request.size", how.max_request_size),
            ("max.in.flight.requests.per.connection", how.max_in_flight),
            ("buffer.memory", how.pages << 14),
            ("max.block.ms", 4000),
        ] {
            builder = builder.set(name, &value.to_string());
        }
        builder.build().expect("the settings go together")
    }

    // ---- the consumer, and the logs ----

    /// The client that the wandering consumer uses.
    pub(crate) fn other_client(&self) -> &Client {
        &self.clients[1]
    }

    /// Notes what the wandering consumer read.
    pub(crate) fn keep_wandered(&self, partition: i32, offset: i64, value: Bytes) {
        with(&self.history, |h| {
            h.wandered.push((partition, offset, value))
        });
    }

    async fn read(self) {
        let mut consumer = loop {
            match self.consumer().await {
                Ok(consumer) => break consumer,
                Err(error) => self.faults.note(format!("no consumer: {error}")),
            }
        };
        for count in 1.. {
            let next = timeout(Duration::from_secs(1), consumer.recv()).await;
            match next {
                Err(_) if self.quiet_is_over.load(Ordering::Relaxed) => break,
                Err(_) => {}
                Ok(Ok(record)) => {
                    let read = (
                        number(&record.topic, record.partition),
                        record.offset,
                        record.value.unwrap_or_default(),
                    );
                    with(&self.history, |h| h.read.push(read));
                }
                Ok(Err(error)) => {
                    self.faults.note(format!("the consumer is told: {error}"));
                    sleep(Duration::from_millis(50)).await;
                }
            }
            match self.plan.reading.dawdles {
                Some((every, pause)) if count % every == 0 && self.faults.storm() => {
                    sleep(pause).await;
                }
                _ => {}
            }
        }
        if consumer.queued_bytes() != 0 {
            self.wrong(format!("{} bytes stay charged", consumer.queued_bytes()));
        }
    }

    async fn consumer(&self) -> ottla::Result<Consumer> {
        let mut builder = Consumer::builder(&self.clients[0]).reset(Reset::None);
        for (topic, of_it) in (0..self.plan.partitions).map(place) {
            builder = builder.assign(topic, of_it, Start::Earliest);
        }
        let Reading {
            max_wait,
            partition_bytes,
            queue_kib,
            ..
        } = self.plan.reading;
        builder = builder.set("fetch.max.wait.ms", &max_wait.as_millis().to_string());
        builder = builder.set("max.partition.fetch.bytes", &partition_bytes.to_string());
        builder = builder.set("queued.max.messages.kbytes", &queue_kib.to_string());
        builder.build().await
    }

    /// Takes down what is new in a log.
    fn keep_log(&self, partition: i32) {
        let log = log(&self.cluster, partition);
        with(&self.history, |h| {
            let kept = &mut h.logs[partition as usize];
            let next = kept.last().map_or(0, |s| s.offset + 1);
            kept.extend(log.into_iter().filter(|s| s.offset >= next));
        });
    }

    /// The offset up to which the consumer has read.
    pub(crate) fn position(&self, partition: i32) -> i64 {
        with(&self.history, |h| {
            let last = h.read.iter().rev().find(|r| r.0 == partition);
            last.map_or(0, |r| r.1 + 1)
        })
    }

    /// The offset up to which producers were told that their records are written. A broker takes the
    /// first sequence of a producer that it does not know: once a batch is forgotten whose answer is on
    /// its way, it is written twice whatever the producer does.
    pub(crate) fn told(&self, partition: i32) -> i64 {
        with(&self.history, |h| {
            let written = h.sent.iter().filter(|s| matches!(s.fate, Fate::Written(_)));
            let told: HashSet<&Bytes> = written.map(|s| &s.value).collect();
            let kept = &h.logs[partition as usize];
            let first = kept.iter().find(|s| !told.contains(&s.value));
            let end = kept.last().map_or(0, |s| s.offset + 1);
            first.map_or(end, |s| s.offset)
        })
    }

    /// Waits until the consumer has read everything, and a little longer.
    async fn await_reader(&self) {
        let all = with(&self.history, |h| {
            h.logs.iter().map(Vec::len).sum::<usize>()
        });
        let reads = async {
            while with(&self.history, |h| h.read.len()) < all {
                sleep(Duration::from_millis(100)).await;
            }
        };
        self.ends("the consumer", reads).await;
        sleep(Duration::from_secs(2)).await;
    }
}

/// One producer, and what it was given.
struct Script {
    world: World,
    producer: Producer,
    number: usize,
    /// How many records flushes said were not written.
    told: u64,
    sent: Vec<(Sent, Option<Delivery>)>,
    next: usize,
}

impl Script {
    /// Sends while everything goes wrong.
    async fn storm(&mut self, how: &Sending) {
        let faults = self.world.faults.clone();
        for n in 0..how.records {
            if n % how.burst == 0 {
                sleep(faults.up_to(how.pause)).await;
            }
            let partition = faults.below(self.world.plan.partitions as usize) as i32;
            let size = faults.below(how.value_size);
            self.send(partition, size).await;
            if faults.below(200) == 0 {
                self.flush().await;
            }
            let abrupt = how.ending == Ending::Abrupt;
            if abrupt && (n > how.records / 2 || !faults.storm()) {
                return;
            }
        }
    }

    /// When the storm is over, everything works again, and nothing was lost of the memory.
    async fn calm(&mut self, how: &Sending) {
        while self.world.faults.storm() {
            sleep(Duration::from_secs(1)).await;
        }
        sleep(SETTLING).await;
        self.flush().await;
        let first = self.sent.len();
        for partition in 0..self.world.plan.partitions {
            self.send(partition, 10).await;
        }
        self.flush().await;
        let room = self.fill();
        self.flush().await;
        self.settle_from(first).await;
        let failed = |s: &&Sent| !matches!(s.fate, Fate::Written(_));
        if let Some(failed) = self.sent[first..].iter().map(|(s, _)| s).find(failed) {
            let (name, fate) = (laws::name(&failed.value), &failed.fate);
            self.world
                .wrong(format!("after the storm, {name}: {fate:?}"));
        }
        let fresh = self.world.producer(self.number, how);
        let mut other = Self {
            world: self.world.clone(),
            producer: fresh,
            number: self.number + 100,
            sent: Vec::new(),
            told: 0,
            next: 0,
        };
        other.send(0, 10).await;
        other.flush().await;
        let fresh_room = other.fill();
        other.flush().await;
        other.settle().await;
        if room != fresh_room {
            let what = format!("memory for {room} records of {fresh_room} in a fresh producer");
            self.world.wrong(what);
        }
    }

    async fn flush(&mut self) {
        let flushed = self.world.ends("flush", self.producer.flush()).await;
        if !self.is_told(flushed.as_ref()) {
            self.world.wrong(format!("flush says {flushed:?}"));
        }
    }

    /// Counts the records that a flush or close says were not written; false where it says another thing.
    fn is_told(&mut self, ended: Option<&ottla::Result<()>>) -> bool {
        match ended {
            None | Some(Ok(())) => true,
            Some(Err(error)) => match error.kind() {
                ErrorKind::Unwritten { records, .. } => {
                    self.told += records;
                    true
                }
                _ => false,
            },
        }
    }

    /// What failed was told once, whoever looked at its delivery.
    fn expect_told(&self) {
        let failed = |s: &&Sent| matches!(s.fate, Fate::Failed { .. });
        let failed = self.sent.iter().map(|(s, _)| s).filter(failed).count() as u64;
        if failed != self.told {
            let (number, told) = (self.number, self.told);
            self.world.wrong(format!(
                "{failed} records of {number} failed, and {told} were told"
            ));
        }
    }

    fn value(&mut self, size: usize) -> Bytes {
        let mut value = format!("{}:{}:", self.number, self.next);
        self.next += 1;
        while value.len() < size {
            value.push('x');
        }
        value.into()
    }

    async fn send(&mut self, partition: i32, size: usize) {
        let value = self.value(size);
        let time = self.world.faults.now_ms();
        let record = record_to(partition).value(&value);
        let record = record.timestamp(time);
        let taken = self.producer.send(record).await;
        if let Err(error) = &taken {
            self.world.faults.note(format!("not taken: {error}"));
        }
        self.keep(partition, value, taken.ok());
    }

    /// Sends without waiting until the memory is full; says how many it took.
    fn fill(&mut self) -> usize {
        for count in 0.. {
            let value = self.value(FILLER);
            let time = self.world.faults.now_ms();
            let record = record_to(0).value(&value);
            let record = record.timestamp(time);
            let Ok(delivery) = self.producer.try_send(record) else {
                return count;
            };
            self.keep(0, value, Some(delivery));
        }
        unreachable!("memory ends")
    }

    fn keep(&mut self, partition: i32, value: Bytes, delivery: Option<Delivery>) {
        let sent = Sent {
            producer: self.number,
            partition,
            value,
            fate: Fate::NotTaken,
        };
        self.sent.push((sent, delivery));
    }

    /// Learns what became of everything, and writes it down.
    async fn settle(mut self) {
        self.settle_from(0).await;
        let sent = self.sent.into_iter().map(|(sent, _)| sent);
        with(&self.world.history, |h| h.sent.extend(sent));
    }

    /// What is tried again long enough is written: no storm lasts as long.
    fn expect_no_timeout(&self) {
        let timed_out = |s: &&Sent| {
            matches!(
                &s.fate,
                Fate::Failed {
                    timed_out: true,
                    ..
                }
            )
        };
        if let Some(sent) = self.sent.iter().map(|(s, _)| s).find(timed_out) {
            let (name, fate) = (laws::name(&sent.value), &sent.fate);
            self.world
                .wrong(format!("out of time after the storm, {name}: {fate:?}"));
        }
    }

    async fn settle_from(&mut self, first: usize) {
        for (sent, delivery) in &mut self.sent[first..] {
            let Some(delivery) = delivery.take() else {
                continue;
            };
            sent.fate = match self.world.ends("a delivery", delivery).await {
                None => Fate::Hung,
                Some(Ok(written)) => Fate::Written(written.offset.unwrap_or(-1)),
                Some(Err(error)) => Fate::Failed {
                    possibly_written: error.possibly_written(),
                    timed_out: matches!(error.kind(), ErrorKind::Timeout { .. }),
                    error: error.to_string(),
                },
            };
        }
    }
}

fn record_to<'a>(number: i32) -> Record<'a> {
    let (topic, partition) = place(number);
    Record::to(topic).partition(partition)
}

/// The records of a partition as they are stored.
fn log(cluster: &Cluster, partition: i32) -> Vec<Stored> {
    let mut decompressor = Decompressor::default();
    let mut log = Vec::new();
    let (topic, partition) = place(partition);
    for bytes in cluster.batches(topic, partition) {
        for batch in Batches::new(bytes) {
            let batch = batch.expect("the log is whole").open(&mut decompressor);
            for record in &batch.expect("the log is whole") {
                let record = record.expect("the log is whole");
                let value = Bytes::copy_from_slice(record.value.unwrap_or_default());
                let offset = record.offset;
                log.push(Stored { offset, value });
            }
        }
    }
    log
}

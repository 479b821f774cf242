//! librdkafka through its Rust binding: with a callback per record and a thread that serves it, or
//! with a window of futures, each awaited; and its consumer, polled for single records.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use ottla_versus::{Job, Latencies, Outcome, Payloads, Work};
use rdkafka::{
    ClientConfig, ClientContext, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    producer::{
        BaseRecord, DeliveryResult, FutureProducer, FutureRecord, Producer, ProducerContext,
        ThreadedProducer,
    },
};

/// How long producing waits for room in a full queue, and a consumer for records.
const PAUSE: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(60);
const FULL: KafkaError = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);

#[tokio::main]
async fn main() -> Outcome<()> {
    let job = Job::given()?;
    match job.work {
        Work::Produce => produce(&job),
        Work::ProduceFutures => produce_futures(&job).await,
        Work::Latency => latency(&job),
        Work::Consume => consume(&job),
    }
}

/// What became of the records.
#[derive(Clone, Default)]
struct Counts {
    acknowledged: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl ClientContext for Counts {}

impl ProducerContext for Counts {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let count = match result {
            Ok(_) => &self.acknowledged,
            Err(_) => &self.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn produce(job: &Job) -> Outcome<()> {
    let counts = Counts::default();
    let producer: ThreadedProducer<Counts> = config(job)?.create_with_context(counts.clone())?;
    let payloads = Payloads::read(&job.payloads)?;
    for (n, value) in (0..job.records).zip(payloads.cycle()) {
        let partition = (n % job.partitions as u64) as i32;
        let record = BaseRecord::<(), [u8]>::to(&job.topic).payload(value);
        let mut record = record.partition(partition);
        while let Err((error, refused)) = producer.send(record) {
            if error != FULL {
                return Err(error.into());
            }
            thread::sleep(PAUSE);
            record = refused;
        }
    }
    producer.flush(PATIENCE)?;
    let failed = counts.failed.load(Ordering::Relaxed);
    if failed > 0 {
        return Err(format!("{failed} records were not written").into());
    }
    let acknowledged = counts.acknowledged.load(Ordering::Relaxed);
    job.done(acknowledged, acknowledged * payloads.size() as u64);
    Ok(())
}

async fn produce_futures(job: &Job) -> Outcome<()> {
    let producer: FutureProducer = config(job)?.create()?;
    let payloads = Payloads::read(&job.payloads)?;
    let mut deliveries = VecDeque::with_capacity(job.window + 1);
    let mut acknowledged = 0;
    for (n, value) in (0..job.records).zip(payloads.cycle()) {
        let partition = (n % job.partitions as u64) as i32;
        let record = FutureRecord::<(), [u8]>::to(&job.topic).payload(value);
        let mut record = record.partition(partition);
        loop {
            match producer.send_result(record) {
                Ok(delivery) => break deliveries.push_back(delivery),
                Err((FULL, refused)) => record = refused,
                Err((error, _)) => return Err(error.into()),
            }
            let oldest = deliveries
                .pop_front()
                .ok_or("full, with nothing under way")?;
            oldest.await?.map_err(|(error, _)| error)?;
            acknowledged += 1;
        }
    }
    for delivery in deliveries {
        delivery.await?.map_err(|(error, _)| error)?;
        acknowledged += 1;
    }
    job.done(acknowledged, acknowledged * payloads.size() as u64);
    Ok(())
}

/// Takes the time of each record that is written, in the thread that serves the callbacks.
#[derive(Clone)]
struct Clock(Arc<Latencies>);

impl ClientContext for Clock {}

impl ProducerContext for Clock {
    /// The number of the record.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, n: usize) {
        if result.is_ok() {
            self.0.acknowledged(n);
        }
    }
}

fn latency(job: &Job) -> Outcome<()> {
    let payloads = Payloads::read(&job.payloads)?;
    let latencies = Arc::new(Latencies::start(job.records, job.rate));
    let clock = Clock(latencies.clone());
    let producer: ThreadedProducer<Clock> = config(job)?.create_with_context(clock)?;
    for (n, value) in (0..job.records as usize).zip(payloads.cycle()) {
        let partition = (n % job.partitions as usize) as i32;
        let record = BaseRecord::<(), [u8], usize>::with_opaque_to(&job.topic, n);
        let record = record.payload(value).partition(partition);
        latencies.await_due(n);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(PATIENCE)?;
    latencies.percentiles()?.print();
    job.done(job.records, job.records * payloads.size() as u64);
    Ok(())
}

fn consume(job: &Job) -> Outcome<()> {
    let mut config = config(job)?;
    // A group's name must be given, though assigning joins none.
    config
        .set("group.id", "versus")
        .set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create()?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..job.partitions {
        assignment.add_partition_offset(&job.topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let (mut read, mut bytes) = (0, 0);
    while read < job.records {
        let message = consumer.poll(PATIENCE).ok_or("no record came in time")??;
        let value = message.payload().ok_or("a record without a value")?;
        read += 1;
        bytes += value.len() as u64;
    }
    job.done(read, bytes);
    Ok(())
}

/// The settings under the names that librdkafka has for them.
fn config(job: &Job) -> Outcome<ClientConfig> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &job.bootstrap);
    if job.work != Work::Consume {
        config.set("queue.buffering.max.messages", job.window.to_string());
    }
    for (name, value) in &job.settings {
        match name.as_str() {
            "buffer.memory" => {
                let kibibytes = value.parse::<u64>()? / 1024;
                config.set("queue.buffering.max.kbytes", kibibytes.to_string())
            }
            "max.request.size" => config.set("message.max.bytes", value),
            "fetch.max.wait.ms" => config.set("fetch.wait.max.ms", value),
            _ => config.set(name, value),
        };
    }
    Ok(config)
}

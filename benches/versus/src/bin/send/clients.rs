//! The clients that send, each by its usual call, with the same settings. Where a call returns a
//! handle, it is kept, and awaited when the burst is over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use krafka::{
    Kafka,
    producer::{Acks, DeliveryHandle},
};
use ottla::{Client, Delivery, Producer, Record};
use ottla_versus::Outcome;
use rdkafka::{
    ClientConfig, ClientContext,
    producer::{
        BaseRecord, DeliveryFuture, DeliveryResult, FutureProducer, FutureRecord, Producer as _,
        ProducerContext, ThreadedProducer,
    },
};
use tokio::runtime::Handle;

use crate::{BURST, Burst};

/// Ours first.
pub(crate) const NAMES: [&str; 5] = [
    "ottla-send",
    "ottla-try_send",
    "krafka-enqueue",
    "rdkafka-threaded",
    "rdkafka-futures",
];

const LINGER: Duration = Duration::from_millis(5);
const BATCH: usize = 256 << 10;
const BUFFER: usize = 64 << 20;
const REQUEST: usize = 2 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// What one of the clients does in a round.
pub(crate) trait Sender {
    /// What is timed: a burst of sends, none of which has to wait.
    fn send(&mut self, burst: &Burst) -> Outcome<()>;
    /// Waits until all of it is written, and makes sure that it was.
    fn drain(&mut self) -> Outcome<()>;
}

pub(crate) fn start(
    name: &str,
    runtime: &Handle,
    bootstrap: &str,
    topic: &str,
) -> Outcome<Box<dyn Sender>> {
    let (handle, topic) = (runtime.clone(), topic.to_owned());
    Ok(match name {
        "ottla-send" => Box::new(Sending(ottla(handle, bootstrap, topic)?)),
        "ottla-try_send" => Box::new(Trying(ottla(handle, bootstrap, topic)?)),
        "krafka-enqueue" => Box::new(krafka(handle, bootstrap, topic)?),
        "rdkafka-threaded" => Box::new(threaded(bootstrap, topic)?),
        "rdkafka-futures" => Box::new(Futures {
            producer: config(bootstrap).create()?,
            runtime: handle,
            topic,
            sent: Vec::with_capacity(BURST),
        }),
        _ => return Err(format!("there is no client '{name}'").into()),
    })
}

// ---- Ottla ----

struct Ottla {
    runtime: Handle,
    producer: Producer,
    topic: String,
    sent: Vec<Delivery>,
}

struct Sending(Ottla);
struct Trying(Ottla);

fn ottla(runtime: Handle, bootstrap: &str, topic: String) -> Outcome<Ottla> {
    let producer = runtime.block_on(async {
        let client = Client::builder(bootstrap).connect().await?;
        let mut builder = Producer::builder(&client).linger(LINGER);
        builder = builder.set("batch.size", &BATCH.to_string());
        builder = builder.set("buffer.memory", &BUFFER.to_string());
        builder = builder.set("max.request.size", &REQUEST.to_string());
        builder.build()
    })?;
    // It is looked up here, since `try_send` does not wait for that.
    while producer
        .try_send(Record::to(&topic).partition(i32::MAX))
        .is_err_and(is_unknown)
    {
        std::thread::sleep(LINGER);
    }
    Ok(Ottla {
        runtime,
        producer,
        topic,
        sent: Vec::with_capacity(BURST),
    })
}

fn is_unknown(error: ottla::Error) -> bool {
    matches!(error.kind(), ottla::ErrorKind::TopicNotKnown)
}

impl Ottla {
    fn drain(&mut self) -> Outcome<()> {
        self.runtime.block_on(async {
            self.producer.flush().await?;
            for delivery in self.sent.drain(..) {
                delivery.await?;
            }
            Ok(())
        })
    }
}

impl Sender for Sending {
    fn send(&mut self, burst: &Burst) -> Outcome<()> {
        let Ottla {
            runtime,
            producer,
            topic,
            sent,
        } = &mut self.0;
        runtime.block_on(async {
            for (key, value) in burst.records() {
                let record = Record::to(topic).key(key).value(value);
                sent.push(producer.send(record).await?);
            }
            Ok(())
        })
    }

    fn drain(&mut self) -> Outcome<()> {
        self.0.drain()
    }
}

impl Sender for Trying {
    fn send(&mut self, burst: &Burst) -> Outcome<()> {
        for (key, value) in burst.records() {
            let record = Record::to(&self.0.topic).key(key).value(value);
            self.0.sent.push(self.0.producer.try_send(record)?);
        }
        Ok(())
    }

    fn drain(&mut self) -> Outcome<()> {
        self.0.drain()
    }
}

// ---- krafka ----

struct Krafka {
    runtime: Handle,
    producer: krafka::producer::Producer,
    topic: String,
    sent: Vec<DeliveryHandle>,
}

fn krafka(runtime: Handle, bootstrap: &str, topic: String) -> Outcome<Krafka> {
    let producer = runtime.block_on(async {
        let kafka = Kafka::builder(bootstrap).connect().await?;
        let builder = kafka.producer().acks(Acks::All).idempotent(true);
        let builder = builder.linger(LINGER).batch_size(BATCH);
        let builder = builder.buffer_memory(BUFFER).max_request_size(REQUEST);
        builder.build().await
    })?;
    Ok(Krafka {
        runtime,
        producer,
        topic,
        sent: Vec::with_capacity(BURST),
    })
}

impl Sender for Krafka {
    /// Keys and values are shared with the records: the client's cheapest way.
    fn send(&mut self, burst: &Burst) -> Outcome<()> {
        let Self {
            runtime,
            producer,
            topic,
            sent,
        } = self;
        runtime.block_on(async {
            for (key, value) in burst.records() {
                let record = krafka::Record::new(topic.as_str(), value.clone());
                sent.push(producer.enqueue(record.key(key.clone())).await?);
            }
            Ok(())
        })
    }

    fn drain(&mut self) -> Outcome<()> {
        self.runtime.block_on(async {
            self.producer.flush().await?;
            for handle in self.sent.drain(..) {
                if !handle.await?.is_persisted() {
                    return Err("a record was not written".into());
                }
            }
            Ok(())
        })
    }
}

// ---- rdkafka ----

/// Counts what is written.
#[derive(Clone, Default)]
struct Written(Arc<AtomicUsize>);

impl ClientContext for Written {}

impl ProducerContext for Written {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_ok() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Threaded {
    producer: ThreadedProducer<Written>,
    written: Written,
    topic: String,
}

fn threaded(bootstrap: &str, topic: String) -> Outcome<Threaded> {
    let written = Written::default();
    Ok(Threaded {
        producer: config(bootstrap).create_with_context(written.clone())?,
        written,
        topic,
    })
}

impl Sender for Threaded {
    fn send(&mut self, burst: &Burst) -> Outcome<()> {
        for (key, value) in burst.records() {
            let record = BaseRecord::to(&self.topic)
                .key(&key[..])
                .payload(&value[..]);
            self.producer.send(record).map_err(|(error, _)| error)?;
        }
        Ok(())
    }

    fn drain(&mut self) -> Outcome<()> {
        self.producer.flush(PATIENCE)?;
        match self.written.0.swap(0, Ordering::Relaxed) {
            BURST => Ok(()),
            n => Err(format!("{n} records were written of {BURST}").into()),
        }
    }
}

struct Futures {
    producer: FutureProducer,
    runtime: Handle,
    topic: String,
    sent: Vec<DeliveryFuture>,
}

impl Sender for Futures {
    fn send(&mut self, burst: &Burst) -> Outcome<()> {
        for (key, value) in burst.records() {
            let record = FutureRecord::to(&self.topic)
                .key(&key[..])
                .payload(&value[..]);
            let sent = self.producer.send_result(record);
            self.sent.push(sent.map_err(|(error, _)| error)?);
        }
        Ok(())
    }

    fn drain(&mut self) -> Outcome<()> {
        self.producer.flush(PATIENCE)?;
        self.runtime.block_on(async {
            for delivery in self.sent.drain(..) {
                delivery.await?.map_err(|(error, _)| error)?;
            }
            Ok(())
        })
    }
}

/// The partitioner is that of the others, who follow Java.
fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", LINGER.as_millis().to_string())
        .set("batch.size", BATCH.to_string())
        .set("queue.buffering.max.kbytes", (BUFFER / 1024).to_string())
        .set("message.max.bytes", REQUEST.to_string())
        .set("partitioner", "murmur2_random");
    config
}

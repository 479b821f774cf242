//! Moves orders through the cluster: three stages that run at the same time.
//!
//! ```text
//! file -> produce -> orders (by customer) -> enrich -> enriched (by customer) -> verify -> tally
//! ```

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use ottla::{
    Client, Consumer, Delivery, Producer, Record, RecordBatch, Start,
    protocol::records::Record as Consumed,
};
use tokio::{time::timeout, try_join};

use super::{
    DemoTopic,
    order::{customer, enrich},
    tally::Tally,
};
use crate::{failure::Failure, session::Session};

/// How many enriched orders are kept to be shown.
const EXAMPLES: usize = 3;

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) tally: Tally,
    pub(super) examples: Vec<String>,
    pub(super) took: Duration,
}

/// The stages, ready to run.
pub(super) struct Pipeline<'a> {
    orders: &'a str,
    topics: &'a [DemoTopic; 2],
    client: &'a Client,
    producer: Producer,
    builders: [ottla::ConsumerBuilder; 2],
    /// How long a stage may wait for a record.
    patience: Duration,
}

impl<'a> Pipeline<'a> {
    pub(super) fn new(
        session: &'a Session,
        topics: &'a [DemoTopic; 2],
        orders: &'a str,
    ) -> Result<Self, Failure> {
        Ok(Self {
            orders,
            topics,
            client: &session.client,
            producer: session.producer()?.build()?,
            builders: [session.consumer()?, session.consumer()?],
            patience: session.timeout,
        })
    }

    /// Runs until every order came out at the end, or something failed.
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let [orders, enriched] = self.topics;
        let count = self.orders.lines().count();
        let [first, second] = self.builders;
        let patience = self.patience;
        let start = Instant::now();
        let ((), (), (tally, examples)) = try_join!(
            produce(&self.producer, self.orders, &orders.name),
            async {
                let source = Source::open(first, orders, count, patience).await?;
                enrich_all(source, &self.producer, &enriched.name).await
            },
            async { verify(Source::open(second, enriched, count, patience).await?).await },
        )?;
        let took = start.elapsed();
        nothing_more(self.client, enriched, count).await?;
        Ok(Outcome {
            tally,
            examples,
            took,
        })
    }
}

/// The file's lines, by customer.
async fn produce(producer: &Producer, orders: &str, topic: &str) -> Result<(), Failure> {
    let mut deliveries = Vec::new();
    for line in orders.lines() {
        let customer = customer(line.as_bytes()).map_err(Failure::Failed)?;
        let record = Record::to(topic).key(&customer).value(line);
        deliveries.push(producer.send(record).await?);
    }
    settle(deliveries).await
}

/// Every order once more, with what it lacks, under the same key.
async fn enrich_all(mut source: Source, producer: &Producer, topic: &str) -> Result<(), Failure> {
    let mut deliveries = Vec::new();
    while let Some(batch) = source.next().await? {
        for record in &batch {
            let record = record.map_err(|e| source.unreadable(e))?;
            let order = enrich(value(&record)).map_err(|e| source.unreadable(e))?;
            source.passed += 1;
            let key = record.key.unwrap_or_default();
            let value = order.to_string();
            deliveries.push(
                producer
                    .send(Record::to(topic).key(key).value(&value))
                    .await?,
            );
        }
    }
    settle(deliveries).await
}

/// Counts what comes out.
async fn verify(mut source: Source) -> Result<(Tally, Vec<String>), Failure> {
    let bar = bar(source.count);
    let (mut tally, mut examples) = (Tally::default(), Vec::new());
    while let Some(batch) = source.next().await? {
        for record in &batch {
            let record = record.map_err(|e| source.unreadable(e))?;
            let order = serde_json::from_slice(value(&record)).map_err(|e| source.unreadable(e))?;
            let key = record.key.unwrap_or_default();
            tally.add(key, &order).map_err(|e| source.unreadable(e))?;
            source.passed += 1;
            bar.inc(1);
            if examples.len() < EXAMPLES {
                examples.push(order.to_string());
            }
        }
    }
    bar.finish_and_clear();
    Ok((tally, examples))
}

/// Every record of a topic, as many as there should be.
struct Source {
    consumer: Consumer,
    topic: String,
    count: usize,
    passed: usize,
    patience: Duration,
}

impl Source {
    async fn open(
        mut builder: ottla::ConsumerBuilder,
        topic: &DemoTopic,
        count: usize,
        patience: Duration,
    ) -> Result<Self, Failure> {
        for partition in 0..topic.partitions {
            builder = builder.assign(topic.name.as_str(), partition, Start::Earliest);
        }
        let consumer = builder.build().await?;
        let topic = topic.name.clone();
        Ok(Self {
            consumer,
            topic,
            count,
            passed: 0,
            patience,
        })
    }

    /// The next batch, none when all records have passed.
    async fn next(&mut self) -> Result<Option<RecordBatch>, Failure> {
        if self.passed >= self.count {
            return Ok(None);
        }
        let batch = timeout(self.patience, self.consumer.next_batch()).await;
        let late = |_| {
            let Self {
                topic,
                passed,
                count,
                patience,
                ..
            } = self;
            let what = format!("reading {topic}: after {passed} of {count} records nothing came");
            Failure::Failed(format!("{what} for {patience:?}"))
        };
        Ok(Some(batch.map_err(late)??))
    }

    fn unreadable(&self, error: impl std::fmt::Display) -> Failure {
        Failure::Failed(format!("reading {}: {error}", self.topic))
    }
}

fn value<'a>(record: &Consumed<'a>) -> &'a [u8] {
    record.value.unwrap_or_default()
}

/// Waits for every record to be written.
async fn settle(deliveries: Vec<Delivery>) -> Result<(), Failure> {
    for delivery in deliveries {
        delivery.await?;
    }
    Ok(())
}

/// As many records as there should be are in the topic, and no more.
async fn nothing_more(client: &Client, topic: &DemoTopic, count: usize) -> Result<(), Failure> {
    let mut written = 0;
    for partition in 0..topic.partitions {
        written += client.offset(&topic.name, partition, Start::Latest).await?;
    }
    if i64::try_from(count) == Ok(written) {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "{} holds {written} records, not {count}",
        topic.name
    )))
}

/// A progress bar, where there is somebody to see it.
fn bar(count: usize) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::try_from(count).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{pos}/{len} orders {wide_bar} {elapsed}");
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

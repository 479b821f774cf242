//! Ottla: a window of deliveries, each awaited; batches, each record of them looked at.

use std::collections::VecDeque;

use ottla::{Client, Consumer, Producer, Record, Start};
use ottla_versus::{Job, Outcome, Payloads, Work};

#[tokio::main]
async fn main() -> Outcome<()> {
    let job = Job::given()?;
    let client = Client::builder(&job.bootstrap).connect().await?;
    match job.work {
        Work::Produce => produce(&job, &client).await,
        Work::Consume => consume(&job, &client).await,
        Work::ProduceFutures => Err("deliveries are futures already".into()),
    }
}

async fn produce(job: &Job, client: &Client) -> Outcome<()> {
    let mut builder = Producer::builder(client);
    for (name, value) in &job.settings {
        builder.set(name, value)?;
    }
    let producer = builder.build()?;
    let payloads = Payloads::read(&job.payloads)?;
    let mut deliveries = VecDeque::with_capacity(job.window + 1);
    let mut acknowledged = 0;
    for (n, value) in (0..job.records).zip(payloads.cycle()) {
        let partition = (n % job.partitions as u64) as i32;
        let record = Record::to(&job.topic).partition(partition).value(value);
        deliveries.push_back(producer.send(record).await?);
        if deliveries.len() > job.window {
            deliveries.pop_front().expect("it is not empty").await?;
            acknowledged += 1;
        }
    }
    producer.flush().await?;
    for delivery in deliveries {
        delivery.await?;
        acknowledged += 1;
    }
    job.done(acknowledged, acknowledged * payloads.size() as u64);
    Ok(())
}

async fn consume(job: &Job, client: &Client) -> Outcome<()> {
    let mut builder = Consumer::builder(client);
    for (name, value) in &job.settings {
        builder.set(name, value)?;
    }
    for partition in 0..job.partitions {
        builder = builder.assign(job.topic.as_str(), partition, Start::Earliest);
    }
    let mut consumer = builder.build().await?;
    let (mut read, mut bytes) = (0, 0);
    while read < job.records {
        for record in &consumer.next_batch().await? {
            let value = record?.value.ok_or("a record without a value")?;
            read += 1;
            bytes += value.len() as u64;
        }
    }
    job.done(read, bytes);
    Ok(())
}

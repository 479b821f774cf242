//! Ottla: a window of deliveries, each awaited; batches, each record of them looked at. Where the
//! latency counts, a thread sends, and a task for each partition awaits its deliveries in order.

use std::{collections::VecDeque, sync::Arc};

use ottla::{Client, Consumer, Delivery, Producer, Record, Start};
use ottla_versus::{Job, Latencies, Outcome, Payloads, Work};
use tokio::{
    runtime::Handle,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::block_in_place,
};

#[tokio::main]
async fn main() -> Outcome<()> {
    let job = Job::given()?;
    let client = Client::builder(&job.bootstrap).connect().await?;
    match job.work {
        Work::Produce => produce(&job, &client).await,
        Work::Consume => consume(&job, &client).await,
        Work::Latency => latency(&job, &client).await,
        Work::ProduceFutures => Err("deliveries are futures already".into()),
    }
}

fn producer(job: &Job, client: &Client) -> Outcome<Producer> {
    let mut builder = Producer::builder(client);
    for (name, value) in &job.settings {
        builder = builder.set(name, value);
    }
    Ok(builder.build()?)
}

async fn produce(job: &Job, client: &Client) -> Outcome<()> {
    let producer = producer(job, client)?;
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

async fn latency(job: &Job, client: &Client) -> Outcome<()> {
    let producer = producer(job, client)?;
    let payloads = Payloads::read(&job.payloads)?;
    let latencies = Arc::new(Latencies::start(job.records, job.rate));
    let (mut partitions, mut tasks) = (Vec::new(), Vec::new());
    for _ in 0..job.partitions {
        let (to, deliveries) = unbounded_channel();
        partitions.push(to);
        tasks.push(tokio::spawn(acknowledge(latencies.clone(), deliveries)));
    }
    block_in_place(|| {
        let runtime = Handle::current();
        for (n, value) in (0..job.records as usize).zip(payloads.cycle()) {
            let partition = n % partitions.len();
            let record = Record::to(&job.topic)
                .partition(partition as i32)
                .value(value);
            latencies.await_due(n);
            let delivery = runtime.block_on(producer.send(record))?;
            partitions[partition].send((n, delivery))?;
        }
        Outcome::Ok(())
    })?;
    drop(partitions);
    for task in tasks {
        task.await??;
    }
    latencies.percentiles()?.print();
    job.done(job.records, job.records * payloads.size() as u64);
    Ok(())
}

/// What is acknowledged within a partition is in the order in which it was sent.
async fn acknowledge(
    latencies: Arc<Latencies>,
    mut deliveries: UnboundedReceiver<(usize, Delivery)>,
) -> ottla::Result<()> {
    while let Some((n, delivery)) = deliveries.recv().await {
        delivery.await?;
        latencies.acknowledged(n);
    }
    Ok(())
}

async fn consume(job: &Job, client: &Client) -> Outcome<()> {
    let mut builder = Consumer::builder(client);
    for (name, value) in &job.settings {
        builder = builder.set(name, value);
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

//! kacrab: a window of delivery futures, each awaited; polls, each record of them looked at.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use kacrab::{
    common::TopicPartition,
    consumer::Consumer,
    producer::{Producer, ProducerRecord},
};
use ottla_versus::{Job, Outcome, Payloads, Work};

#[tokio::main]
async fn main() -> Outcome<()> {
    let job = Job::given()?;
    match job.work {
        Work::Produce => produce(&job).await,
        Work::Consume => consume(&job).await,
        Work::ProduceFutures | Work::Latency => Err("only the plain work is written".into()),
    }
}

/// Values are shared with the records, not copied into them: the client's cheapest way.
async fn produce(job: &Job) -> Outcome<()> {
    let mut builder = Producer::builder().set("bootstrap.servers", job.bootstrap.as_str());
    for (name, value) in &job.settings {
        builder = builder.set(name.as_str(), value.as_str());
    }
    let producer = builder.build().await?;
    let payloads = Payloads::read(&job.payloads)?;
    let values = payloads.cycle().take(payloads.count());
    let values: Vec<Bytes> = values.map(Bytes::copy_from_slice).collect();
    let topic: std::sync::Arc<str> = job.topic.as_str().into();
    let mut deliveries = VecDeque::with_capacity(job.window + 1);
    let mut acknowledged = 0;
    for (n, value) in (0..job.records).zip(values.iter().cycle()) {
        let partition = (n % job.partitions as u64) as i32;
        let record = ProducerRecord::new(topic.clone(), partition).value(value.clone());
        deliveries.push_back(producer.send(record)?);
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

async fn consume(job: &Job) -> Outcome<()> {
    let mut settings = vec![("bootstrap.servers", job.bootstrap.as_str())];
    settings.extend(job.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())));
    let mut consumer = Consumer::from_map(settings).await?;
    let partitions: Vec<_> = (0..job.partitions)
        .map(|n| TopicPartition::new(job.topic.as_str(), n))
        .collect();
    consumer.assign(partitions.clone())?;
    consumer.seek_to_beginning(&partitions).await?;
    let (mut read, mut bytes) = (0, 0);
    while read < job.records {
        for record in &consumer.poll(Duration::from_secs(1)).await? {
            let value = record.value.as_ref().ok_or("a record without a value")?;
            read += 1;
            bytes += value.len() as u64;
        }
    }
    job.done(read, bytes);
    Ok(())
}

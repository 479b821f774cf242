//! krafka: a window of delivery handles, each awaited.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use krafka::{
    Compression, Kafka, Record,
    producer::{Acks, ProducerBuilder},
};
use ottla_versus::{Job, Outcome, Payloads, Work};

#[tokio::main]
async fn main() -> Outcome<()> {
    let job = Job::given()?;
    let kafka = Kafka::builder(&job.bootstrap).connect().await?;
    match job.work {
        Work::Produce => produce(&job, &kafka).await,
        Work::ProduceFutures | Work::Latency | Work::Consume => {
            Err("only producing is written".into())
        }
    }
}

/// Values are shared with the records, not copied into them: the client's cheapest way.
async fn produce(job: &Job, kafka: &Kafka) -> Outcome<()> {
    let mut builder = kafka.producer();
    for (name, value) in &job.settings {
        builder = set(builder, name, value)?;
    }
    let producer = builder.build().await?;
    let payloads = Payloads::read(&job.payloads)?;
    let values = payloads.cycle().take(payloads.count());
    let values: Vec<Bytes> = values.map(Bytes::copy_from_slice).collect();
    let mut handles = VecDeque::with_capacity(job.window + 1);
    let mut acknowledged = 0;
    for (n, value) in (0..job.records).zip(values.iter().cycle()) {
        let partition = (n % job.partitions as u64) as i32;
        let record = Record::new(&job.topic, value.clone()).partition(partition);
        handles.push_back(producer.enqueue(record).await?);
        if handles.len() > job.window {
            let written = handles.pop_front().expect("it is not empty").await?;
            acknowledged += u64::from(written.is_persisted());
        }
    }
    producer.flush().await?;
    for handle in handles {
        acknowledged += u64::from(handle.await?.is_persisted());
    }
    producer.close().await?;
    job.done(acknowledged, acknowledged * payloads.size() as u64);
    Ok(())
}

fn set(builder: ProducerBuilder, name: &str, value: &str) -> Outcome<ProducerBuilder> {
    Ok(match (name, value) {
        ("acks", "all") => builder.acks(Acks::All),
        ("enable.idempotence", _) => builder.idempotent(value.parse()?),
        ("linger.ms", _) => builder.linger(Duration::from_millis(value.parse()?)),
        ("batch.size", _) => builder.batch_size(value.parse()?),
        ("buffer.memory", _) => builder.buffer_memory(value.parse()?),
        ("max.request.size", _) => builder.max_request_size(value.parse()?),
        ("compression.type", "none") => builder.compression(Compression::None),
        ("compression.type", "lz4") => builder.compression(Compression::Lz4),
        ("compression.type", "snappy") => builder.compression(Compression::Snappy),
        ("compression.type", "gzip") => builder.compression(Compression::Gzip),
        _ => return Err(format!("{name}={value} has no counterpart").into()),
    })
}

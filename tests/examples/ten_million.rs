//! Many records through a real cluster and back: every one of them once, in order per partition, and
//! what it costs.
//!
//! ```text
//! cargo run --release -p ottla-tests --example ten_million -- HOST:PORT [RECORDS] [BYTES]
//! ```
//!
//! Prints records per second and the client's CPU time per record, user and system, of this process
//! alone. The checks are part of it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use cpu_time::ProcessTime;
use ottla::{Client, Consumer, Delivery, Producer, Record, Start};

const PARTITIONS: i32 = 6;
/// Deliveries that are waited for at a time.
const WINDOW: usize = 50_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let bootstrap = args
        .first()
        .ok_or("usage: ten_million HOST:PORT [RECORDS] [BYTES]")?;
    let records: u64 = args.get(1).map_or(Ok(10_000_000), |n| n.parse())?;
    let bytes: usize = args.get(2).map_or(Ok(100), |n| n.parse())?;
    let client = Client::builder(bootstrap.as_str()).connect().await?;
    let topic = format!("ten-million-{}", std::process::id());
    ottla_tests::create(&client, &topic, PARTITIONS, &[]).await;
    let sent = measure(
        "produced",
        records,
        produce(&client, &topic, records, bytes),
    )
    .await?;
    let got = measure("consumed", records, consume(&client, &topic, records)).await?;
    ottla_tests::delete(&client, &topic).await;
    if sent != got {
        return Err(format!("{sent:?} was sent, and {got:?} came back").into());
    }
    println!("count, order and checksum match in all partitions: {got:?}");
    Ok(())
}

/// Runs one half and prints what it costs.
async fn measure<T>(
    what: &str,
    records: u64,
    half: impl Future<Output = Outcome<T>>,
) -> Outcome<T> {
    let (wall, cpu) = (Instant::now(), ProcessTime::now());
    let result = half.await?;
    let (wall, cpu) = (wall.elapsed(), cpu.elapsed());
    println!(
        "{what} {records} records in {:.2} s: {:.0} records/s, {:.3} us of CPU per record",
        wall.as_secs_f64(),
        records as f64 / wall.as_secs_f64(),
        micros(cpu) / records as f64,
    );
    Ok(result)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// What is known of a partition's records: how many there are, and a checksum over their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    checksum: u64,
}

impl Sum {
    fn add(&mut self, value: &[u8]) {
        self.count += 1;
        for word in value.chunks_exact(8) {
            let word = u64::from_le_bytes(word.try_into().expect("it has 8 bytes"));
            self.checksum = self.checksum.rotate_left(5).wrapping_add(word);
        }
    }
}

type Sums = [Sum; PARTITIONS as usize];

async fn produce(client: &Client, topic: &str, records: u64, bytes: usize) -> Outcome<Sums> {
    let producer = Producer::builder(client).build()?;
    let mut sums = Sums::default();
    let mut value = vec![0; bytes.max(8)];
    let mut deliveries: VecDeque<Delivery> = VecDeque::with_capacity(WINDOW + 1);
    for n in 0..records {
        let partition = (n % PARTITIONS as u64) as usize;
        let sum = &mut sums[partition];
        value[..8].copy_from_slice(&sum.count.to_le_bytes());
        let at = 8 + n as usize % (bytes.max(16) - 15);
        value[at..bytes.max(8).min(at + 8)].fill(n as u8);
        sum.add(&value);
        let record = Record::to(topic).partition(partition as i32).value(&value);
        deliveries.push_back(producer.send(record).await?);
        if deliveries.len() > WINDOW {
            deliveries.pop_front().expect("there is one").await?;
        }
    }
    producer.flush().await?;
    for delivery in deliveries {
        delivery.await?;
    }
    Ok(sums)
}

async fn consume(client: &Client, topic: &str, records: u64) -> Outcome<Sums> {
    let mut builder = Consumer::builder(client);
    for partition in 0..PARTITIONS {
        builder = builder.assign(topic, partition, Start::Earliest);
    }
    let mut consumer = builder.build().await?;
    let mut sums = Sums::default();
    let mut left = records;
    while left > 0 {
        let batch = consumer.next_batch().await?;
        let sum = &mut sums[batch.partition() as usize];
        for record in &batch {
            let record = record?;
            let value = record.value.ok_or("a record without a value")?;
            let number = value.first_chunk().copied().map(u64::from_le_bytes);
            if number != Some(sum.count) || record.offset != sum.count as i64 {
                let (at, n) = (record.offset, batch.partition());
                return Err(format!("{number:?} at offset {at} of partition {n}").into());
            }
            sum.add(value);
            left = left.checked_sub(1).ok_or("a record more than was sent")?;
        }
    }
    Ok(sums)
}

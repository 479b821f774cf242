//! Many records through three real brokers that are killed with -9 in turn and lose their leaders:
//! each acknowledged record is there once, and each key's records are in order, as Java's consumer
//! reads them.
//!
//! ```text
//! tests/kafka/kafka run --brokers 3 -- cargo run --release -p ottla-tests --example survives [RECORDS]
//! ```
//!
//! [`producing`] sends and notes what became of each record, [`unrest`] disturbs the brokers
//! meanwhile, and `tests/java/ReadBack.java` reads all back and compares. Never are two brokers down or
//! behind at once, so Kafka has no excuse to lose anything.

mod producing;
mod unrest;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use cpu_time::ProcessTime;
use ottla::Client;
use ottla_tests::Kafka;
use tokio::sync::watch;

use producing::{Fate, Fates, KEYS};
use unrest::Unrest;

const PARTITIONS: i32 = 12;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Outcome<()> {
    let records = std::env::args().nth(1);
    let records: u64 = records.map_or(Ok(20_000_000), |n| n.parse())?;
    let kafka = Kafka::given().ok_or("run it by tests/kafka/kafka, with three brokers")?;
    let client = Client::builder(kafka.bootstrap()).connect().await?;
    let topic = format!("survives-{}", std::process::id());
    ottla_tests::create(&client, &topic, PARTITIONS, &[]).await;
    client.topic(&topic).await?;

    let (calm, wanted) = watch::channel(false);
    let settled = Arc::new(AtomicU64::new(0));
    let unrest = Unrest::new(
        kafka.clone(),
        client.clone(),
        topic.clone(),
        settled.clone(),
    );
    let unrest = tokio::spawn(unrest.until(wanted));
    let (wall, cpu) = (Instant::now(), ProcessTime::now());
    let fates = producing::produce(&client, &topic, records, &settled).await?;
    let (wall, cpu) = (wall.elapsed(), cpu.elapsed());
    calm.send(true)?;
    let deeds = unrest.await??;

    println!("{deeds}");
    println!("{records} records sent in {:.1} s", wall.as_secs_f64());
    for fate in Fate::ALL {
        println!("{:>12} {fate}", fates.count(fate));
    }
    println!("{:.3} us of CPU per record", micros(cpu) / records as f64);
    read_back(&kafka, &topic, &fates).await?;
    ottla_tests::delete(&client, &topic).await;
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// What Java's consumer finds must break no law.
async fn read_back(kafka: &Kafka, topic: &str, fates: &Fates) -> Outcome<()> {
    let file = std::env::temp_dir().join(format!("{topic}.fates"));
    std::fs::write(&file, fates.bytes())?;
    let (path, keys) = (file.display().to_string(), KEYS.to_string());
    let wall = Instant::now();
    let args = ["read-back", topic, &keys, &path];
    let found = tokio::task::block_in_place(|| kafka.tool(&args, b""));
    std::fs::remove_file(file)?;
    println!("read back by Java in {:.1} s", wall.elapsed().as_secs_f64());
    let found = String::from_utf8(found)?;
    print!("{found}");
    if found.lines().last() != Some("every law holds") {
        return Err(format!("a law is broken; the records are still in {topic}").into());
    }
    Ok(())
}

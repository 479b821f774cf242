//! What a client costs with 10, 100, 1,000 and 10,000 partitions, most of which are idle. The curves
//! are to be flat: no event may cost more for what it does not concern.
//!
//! ```text
//! cargo run --release -p ottla-tests --example sizes [PARTITIONS..]
//! ```
//!
//! The client runs on one thread, whose CPU time is measured, against an embedded cluster of two
//! brokers on another.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use cpu_time::ThreadTime;
use ottla::{
    Client, Consumer, Producer, Record, Start,
    protocol::messages::{ApiKey, ProduceResponse},
};
use ottla_broker::{Action, Cluster};
use ottla_tests::create;
use tokio::runtime::{Builder, Runtime};

const TOPIC: &str = "sizes";
const VALUE: [u8; 100] = [b'x'; 100];
const RECORDS: i32 = 100_000;
/// Beside a broker that does not answer.
const BESIDE: i32 = 20_000;
const IDLE: Duration = Duration::from_secs(6);

/// What is measured, and in what.
const HEAD: [[&str; 9]; 3] = [
    [
        "partitions",
        "round robin",
        "ten to a batch",
        "beside a silent broker",
        "assign all",
        "seek all",
        "one busy",
        "idle",
        "memory",
    ],
    ["---"; 9],
    [
        "",
        "us/record (records/batch)",
        "us/record (records/batch)",
        "us/record",
        "us/partition (s)",
        "us/partition (s)",
        "us/record",
        "ms/min",
        "bytes/partition",
    ],
];

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let given: Vec<i32> = std::env::args()
        .skip(1)
        .filter_map(|n| n.parse().ok())
        .collect();
    let sizes = if given.is_empty() {
        vec![10, 100, 1000, 10_000]
    } else {
        given
    };
    for head in HEAD {
        println!("| {} |", head.join(" | "));
    }
    for partitions in sizes {
        let row = measure(partitions)?;
        println!("| {partitions} | {} |", row.join(" | "));
    }
    Ok(())
}

/// Counts what the cluster writes, and can leave the second broker silent.
#[derive(Clone, Default)]
struct Produced {
    /// The second broker answers none.
    silent: Arc<AtomicBool>,
    /// How many batches were written.
    batches: Arc<AtomicUsize>,
}

/// A cluster on a thread of its own.
fn cluster() -> Outcome<(Cluster, Produced)> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let Ok(runtime) = Builder::new_current_thread().enable_all().build() else {
            return;
        };
        runtime.block_on(async {
            let builder = Cluster::builder().brokers(2);
            let builder = builder.set("default.replication.factor", "1");
            let started = builder.start().await;
            let _: Result<_, _> = tell.send(started);
            std::future::pending::<()>().await;
        });
    });
    let cluster = told.recv()??;
    let produced = Produced::default();
    let Produced { silent, batches } = produced.clone();
    cluster.control(move |request| {
        if request.api_key != ApiKey::Produce {
            return Action::Pass;
        }
        if request.broker == 2 && silent.load(Ordering::Relaxed) {
            return Action::Drop;
        }
        let batches = batches.clone();
        Action::inspect(move |response: &ProduceResponse| {
            let topics = response.responses.iter();
            let written = topics.map(|topic| topic.partition_responses.len()).sum();
            batches.fetch_add(written, Ordering::Relaxed);
        })
    });
    Ok((cluster, produced))
}

fn measure(partitions: i32) -> Outcome<Vec<String>> {
    let (cluster, produced) = cluster()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let client = runtime.block_on(async {
        let client = Client::builder(cluster.bootstrap()).connect().await?;
        create(&client, TOPIC, partitions, &[]).await;
        client.topic(TOPIC).await?;
        Outcome::Ok(client)
    })?;
    let mut row = Vec::new();
    let producer = {
        let _entered = runtime.enter();
        // A page for each partition beside the silent broker.
        let builder = Producer::builder(&client).set("buffer.memory", "400000000");
        builder.build()?
    };
    // As it comes, the more partitions there are the fewer records are in a batch; and a batch has its price.
    for each in [RECORDS, 10 * partitions] {
        let cost = round_robin(&runtime, &producer, partitions, each, &produced)?;
        row.push(cost);
    }
    let mut consumer = None;
    let mut times = Ok([String::new(), String::new()]);
    let held = allocation_counter::measure(|| {
        times = assign(&runtime, &client, partitions, &mut consumer);
    });
    let [assigned, sought] = times?;
    let mut consumer = consumer.ok_or("the consumer was built")?;
    let busy = one_busy(&runtime, cluster.bootstrap(), &mut consumer)?;
    let start = ThreadTime::now();
    runtime.block_on(async { tokio::time::sleep(IDLE).await });
    let idle = start.elapsed().as_secs_f64() * 60_000.0 / IDLE.as_secs_f64();
    drop(consumer);
    produced.silent.store(true, Ordering::Relaxed);
    row.push(beside(&runtime, &client, &producer, partitions)?);
    row.extend([assigned, sought, busy, format!("{idle:.0}")]);
    row.push(format!("{}", held.bytes_current / i64::from(partitions)));
    Ok(row)
}

fn per(start: ThreadTime, n: i32) -> String {
    format!("{:.2}", start.elapsed().as_secs_f64() * 1e6 / f64::from(n))
}

/// Sends all records in turn to all partitions, and waits for them after so many.
fn round_robin(
    runtime: &Runtime,
    producer: &Producer,
    partitions: i32,
    each: i32,
    produced: &Produced,
) -> Outcome<String> {
    runtime.block_on(async {
        let record = Record::to(TOPIC).value(&VALUE);
        let send_all = async |records: i32| {
            for n in 0..records {
                drop(producer.send(record.partition(n % partitions)).await?);
            }
            producer.flush().await
        };
        // Not counted: the first use of each partition.
        send_all(partitions).await?;
        produced.batches.store(0, Ordering::Relaxed);
        let start = ThreadTime::now();
        for _ in 0..RECORDS / each {
            send_all(each).await?;
        }
        let cost = per(start, RECORDS);
        let batches = produced.batches.load(Ordering::Relaxed);
        Ok(format!(
            "{cost} ({:.1})",
            f64::from(RECORDS) / batches as f64
        ))
    })
}

fn assign(
    runtime: &Runtime,
    client: &Client,
    partitions: i32,
    kept: &mut Option<Consumer>,
) -> Outcome<[String; 2]> {
    runtime.block_on(async {
        let (start, clock) = (ThreadTime::now(), Instant::now());
        let mut builder = Consumer::builder(client);
        for n in 0..partitions {
            builder = builder.assign(TOPIC, n, Start::Latest);
        }
        let mut consumer = builder.build().await?;
        // The end of each log is known when this record, written after it, comes.
        let timed = |start: ThreadTime, clock: Instant| {
            format!(
                "{} ({:.2})",
                per(start, partitions),
                clock.elapsed().as_secs_f64()
            )
        };
        consumer.seek(TOPIC, 0, Start::Earliest)?;
        consumer.recv().await?;
        let assigned = timed(start, clock);
        let (start, clock) = (ThreadTime::now(), Instant::now());
        for n in 1..partitions {
            consumer.seek(TOPIC, n, Start::Latest)?;
        }
        consumer.seek(TOPIC, 0, Start::Earliest)?;
        consumer.recv().await?;
        let sought = timed(start, clock);
        // What is there of the first partition is none of the busy one's cost.
        consumer.seek(TOPIC, 0, Start::Latest)?;
        *kept = Some(consumer);
        Ok([assigned, sought])
    })
}

/// Batches for the first partition, from a client on a thread of its own: one for each time it is asked.
fn batches(bootstrap: String, each: i32) -> mpsc::Sender<()> {
    let (ask, asked) = mpsc::channel();
    thread::spawn(move || {
        let produce = || {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let client = runtime.block_on(Client::builder(bootstrap).connect())?;
            let producer = {
                let _entered = runtime.enter();
                Producer::builder(&client).build()?
            };
            let record = Record::to(TOPIC).partition(0).value(&VALUE);
            while asked.recv().is_ok() {
                runtime.block_on(async {
                    for _ in 0..each {
                        drop(producer.send(record).await?);
                    }
                    producer.flush().await
                })?;
            }
            Outcome::Ok(())
        };
        if let Err(error) = produce() {
            eprintln!("no more batches: {error}");
        }
    });
    ask
}

fn one_busy(runtime: &Runtime, bootstrap: String, consumer: &mut Consumer) -> Outcome<String> {
    const BATCHES: i32 = 200;
    const EACH: i32 = 100;
    const WARM: i32 = 50;
    const SETTLING: Duration = Duration::from_secs(2);
    let ask = batches(bootstrap, EACH);
    runtime.block_on(async {
        let mut start = ThreadTime::now();
        for batch in 0..WARM + BATCHES {
            if batch == WARM {
                // Not counted: the first fetches, which name all partitions once to each broker, and are
                // answered after `fetch.max.wait.ms`.
                tokio::time::sleep(SETTLING).await;
                start = ThreadTime::now();
            }
            ask.send(())?;
            for _ in 0..EACH {
                consumer.recv().await?;
            }
        }
        Ok(per(start, BATCHES * EACH))
    })
}

fn beside(
    runtime: &Runtime,
    client: &Client,
    producer: &Producer,
    partitions: i32,
) -> Outcome<String> {
    let topology = client.topology();
    let of = |broker: i32| {
        (0..partitions).filter(move |n| topology.leader(TOPIC, *n).is_some_and(|l| l.0 == broker))
    };
    let live = of.clone()(1).next().ok_or("the first broker leads one")?;
    runtime.block_on(async {
        let record = Record::to(TOPIC).value(&VALUE);
        for silent in of(2) {
            drop(producer.send(record.partition(silent)).await?);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let start = ThreadTime::now();
        for n in 0..BESIDE {
            let delivery = producer.send(record.partition(live)).await?;
            if n % 100 == 99 {
                delivery.await?;
            }
        }
        Ok(per(start, BESIDE))
    })
}

//! What one call of `send` costs the thread that makes it: Ottla, krafka and rdkafka in one run, by
//! rounds in turn, against one broker that takes everything.
//!
//! `cargo run --release --bin send [-- --bootstrap HOST:PORT] [--rounds R]`. Without a bootstrap
//! server it starts Ottla's embedded broker, on a port of this machine.

mod clients;

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cpu_time::{ProcessTime, ThreadTime};
use ottla_versus::{Cluster, Outcome, Payloads};
use tokio::runtime::Builder;

use clients::Sender;

/// Records that are sent before all of them are awaited, outside the clock. They fit the buffers of
/// all clients.
const BURST: usize = 20_000;
const VALUE: usize = 100;
const PARTITIONS: i32 = 6;
const ROUNDS: usize = 31;
/// Rounds before those that count.
const WARM_UP: usize = 3;

/// What is sent in every burst.
pub(crate) struct Burst {
    keys: Vec<Bytes>,
    values: Vec<Bytes>,
}

impl Burst {
    fn new() -> Outcome<Self> {
        let payloads = Payloads::new(VALUE)?;
        let keys = (0..BURST as u32).map(|n| Bytes::copy_from_slice(&n.to_be_bytes()));
        let values = payloads.cycle().take(BURST).map(Bytes::copy_from_slice);
        Ok(Self {
            keys: keys.collect(),
            values: values.collect(),
        })
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.keys.iter().zip(&self.values)
    }
}

/// A client, and what its sends took.
struct Side {
    name: &'static str,
    topic: String,
    sender: Box<dyn Sender>,
    rounds: Vec<Time>,
    allocations: f64,
    bursts: usize,
}

/// Nanoseconds of one send.
#[derive(Clone, Copy)]
struct Time {
    cpu: f64,
    wall: f64,
    /// CPU of all threads, until the record was acknowledged.
    all_in: f64,
}

fn main() -> Outcome<()> {
    let (bootstrap, rounds) = arguments(std::env::args().skip(1))?;
    let bootstrap = bootstrap.map_or_else(embedded, Ok)?;
    let cluster = Cluster::connect(&bootstrap)?;
    // The tasks of the clients run on one thread, and what sends on this one.
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let mut sides = Vec::new();
    for name in clients::NAMES {
        let topic = cluster.create(PARTITIONS)?;
        sides.push(Side {
            name,
            sender: clients::start(name, runtime.handle(), &bootstrap, &topic)?,
            topic,
            rounds: Vec::new(),
            allocations: 0.0,
            bursts: 0,
        });
    }
    let burst = Burst::new()?;
    for round in 0..WARM_UP + rounds {
        for side in &mut sides {
            side.round(&burst, round >= WARM_UP)?;
        }
    }
    for side in &mut sides {
        side.count(&burst)?;
    }
    check(&cluster, &sides)?;
    print(&sides);
    Ok(())
}

impl Side {
    fn round(&mut self, burst: &Burst, counts: bool) -> Outcome<()> {
        let all_in = ProcessTime::now();
        let (wall, cpu) = (Instant::now(), ThreadTime::now());
        self.sender.send(burst)?;
        let (cpu, wall) = (cpu.elapsed(), wall.elapsed());
        self.sender.drain()?;
        let all_in = all_in.elapsed();
        self.bursts += 1;
        let each = |time: Duration| time.as_nanos() as f64 / BURST as f64;
        if counts {
            self.rounds.push(Time {
                cpu: each(cpu),
                wall: each(wall),
                all_in: each(all_in),
            });
        }
        Ok(())
    }

    /// Counts what the thread that sends allocates, in Rust: C is not seen.
    fn count(&mut self, burst: &Burst) -> Outcome<()> {
        let mut sent = Ok(());
        let counted = allocation_counter::measure(|| sent = self.sender.send(burst));
        sent?;
        self.sender.drain()?;
        self.bursts += 1;
        self.allocations = counted.count_total as f64 / BURST as f64;
        Ok(())
    }

    fn spread(&self, value: impl Fn(&Time) -> f64) -> [f64; 3] {
        let mut values: Vec<f64> = self.rounds.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        [
            values[0],
            values[values.len() / 2],
            values[values.len() - 1],
        ]
    }
}

/// All records were written, and every client chose the same partitions for them.
fn check(cluster: &Cluster, sides: &[Side]) -> Outcome<()> {
    let expected = cluster.ends(&sides[0].topic, PARTITIONS)?;
    for side in sides {
        cluster.expect_records(&side.topic, PARTITIONS, (side.bursts * BURST) as u64)?;
        let ends = cluster.ends(&side.topic, PARTITIONS)?;
        if ends != expected {
            return Err(format!("{} chooses other partitions: {ends:?}", side.name).into());
        }
        cluster.delete(&side.topic)?;
    }
    Ok(())
}

fn print(sides: &[Side]) {
    println!(
        "| client | CPU ns | / ottla's | ns by the clock | / ottla's | CPU ns, all in | / ottla's \
         | allocations |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    let quantities = [
        |time: &Time| time.cpu,
        |time: &Time| time.wall,
        |time: &Time| time.all_in,
    ];
    for side in sides {
        print!("| {} |", side.name);
        for quantity in quantities {
            let [_, ours, _] = sides[0].spread(quantity);
            let [least, median, most] = side.spread(quantity);
            print!(
                " {median:.0} ({least:.0}-{most:.0}) | {:.2} |",
                median / ours
            );
        }
        println!(" {:.4} |", side.allocations);
    }
}

/// Starts a broker on a thread of its own, for as long as the process lives. It forgets what was
/// written, but for a little.
fn embedded() -> Outcome<String> {
    let (started, bootstrap) = mpsc::channel();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let cluster = ottla_broker::Cluster::builder()
                .set("log.retention.bytes", "1048576")
                .set("log.retention.check.interval.ms", "500")
                .start()
                .await
                .map_err(std::io::Error::other)?;
            if started.send(cluster.bootstrap()).is_ok() {
                std::future::pending::<()>().await;
            }
            Ok::<(), std::io::Error>(())
        })
    });
    Ok(bootstrap.recv()?)
}

fn arguments(mut args: impl Iterator<Item = String>) -> Outcome<(Option<String>, usize)> {
    let (mut bootstrap, mut rounds) = (None, ROUNDS);
    while let Some(flag) = args.next() {
        let value = args
            .next()
            .ok_or("usage: send [--bootstrap HOST:PORT] [--rounds R]")?;
        match flag.as_str() {
            "--bootstrap" => bootstrap = Some(value),
            "--rounds" => rounds = value.parse::<usize>()?.max(1),
            _ => return Err(format!("there is no {flag}").into()),
        }
    }
    Ok((bootstrap, rounds))
}

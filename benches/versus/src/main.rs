//! The driver: runs the peers in turn on a real broker, each as a process of its own, and prints what
//! each of them took by the kernel's account. `run` builds all and starts it.

mod args;
mod measure;
mod peers;
mod report;
mod scratch;
mod steady;

use ottla_versus::{Cluster, Job, Outcome, Work};

use args::{Args, Case, Half};
use peers::{Peer, Tools};
use report::Report;
use scratch::Scratch;

const PARTITIONS: i32 = 6;
/// As much as librdkafka lets be under way by default.
const WINDOW: usize = 100_000;

/// What every producer is given, by the names of the Java client.
const PRODUCER: [(&str, &str); 6] = [
    ("acks", "all"),
    ("enable.idempotence", "true"),
    ("linger.ms", "5"),
    ("batch.size", "262144"),
    ("buffer.memory", "67108864"),
    ("max.request.size", "2097152"), // a batch of each partition
];

/// What every consumer is given.
const CONSUMER: [(&str, &str); 5] = [
    ("fetch.min.bytes", "1"),
    ("fetch.max.wait.ms", "500"),
    ("fetch.max.bytes", "52428800"),
    ("max.partition.fetch.bytes", "1048576"),
    ("check.crcs", "true"),
];

fn main() -> Outcome<()> {
    let args = Args::parse(std::env::args().skip(1))?;
    let tools = Tools::find()?;
    let peers = tools.available(&args.peers);
    let first = *peers.first().ok_or("none of these peers can run here")?;
    let mut versus = Versus {
        cluster: Cluster::connect(&args.bootstrap)?,
        scratch: Scratch::new()?,
        report: Report::new(args.csv.as_deref())?,
        rounds: args.rounds,
        tools,
    };
    if args.latency {
        return steady::compare(&versus, &peers, &args);
    }
    if let Some(case) = args.cases().next() {
        eprintln!("one run that does not count, for the broker to warm up");
        versus.warm_up(first, &case)?;
    }
    for case in args.cases() {
        match case.half {
            Half::Produce => versus.produce(&peers, &case)?,
            Half::Consume => versus.consume(&peers, &case)?,
        }
    }
    versus.report.print();
    versus.report.verdict()
}

struct Versus {
    cluster: Cluster,
    scratch: Scratch,
    report: Report,
    rounds: usize,
    tools: Tools,
}

impl Versus {
    fn warm_up(&self, peer: &Peer, case: &Case) -> Outcome<()> {
        let topic = self.cluster.create(PARTITIONS)?;
        let job = self.job(case, Work::Produce, &topic)?;
        measure::measure(self.tools.command(peer, &job), job.records)?;
        self.cluster.delete(&topic)
    }

    /// Each round, each peer fills a topic of its own.
    fn produce(&mut self, peers: &[&'static Peer], case: &Case) -> Outcome<()> {
        for round in 1..=self.rounds {
            for peer in peers {
                let topic = self.cluster.create(PARTITIONS)?;
                let job = self.job(case, peer.produces, &topic)?;
                let measured = measure::measure(self.tools.command(peer, &job), job.records)
                    .and_then(|sample| {
                        self.cluster
                            .expect_records(&topic, PARTITIONS, job.records)?;
                        Ok(sample)
                    });
                self.report.add(case, peer.name, round, measured)?;
                self.cluster.delete(&topic)?;
            }
        }
        Ok(())
    }

    /// Ottla fills one topic, and each round, each peer that consumes reads it.
    fn consume(&mut self, peers: &[&'static Peer], case: &Case) -> Outcome<()> {
        let topic = self.cluster.create(PARTITIONS)?;
        let fill = self.job(case, Work::Produce, &topic)?;
        let ours = &peers::PEERS[0];
        measure::measure(self.tools.command(ours, &fill), fill.records)?;
        self.cluster
            .expect_records(&topic, PARTITIONS, fill.records)?;
        let job = self.job(case, Work::Consume, &topic)?;
        for round in 1..=self.rounds {
            for peer in peers.iter().filter(|peer| peer.consumes) {
                let measured = measure::measure(self.tools.command(peer, &job), job.records);
                self.report.add(case, peer.name, round, measured)?;
            }
        }
        self.cluster.delete(&topic)
    }

    fn job(&self, case: &Case, work: Work, topic: &str) -> Outcome<Job> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let settings = match work {
            Work::Consume => CONSUMER.iter().map(own).collect(),
            Work::Produce | Work::ProduceFutures | Work::Latency => {
                let codec = ("compression.type", case.codec.as_str());
                PRODUCER.iter().chain([&codec]).map(own).collect()
            }
        };
        Ok(Job {
            work,
            bootstrap: self.cluster.bootstrap.clone(),
            topic: topic.into(),
            partitions: PARTITIONS,
            records: case.records,
            rate: 0,
            window: WINDOW,
            payloads: self.scratch.payloads(case.size)?,
            settings,
        })
    }
}

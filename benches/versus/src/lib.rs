//! What the driver and the peers agree on. A peer is a program that is given one [`Job`] as its
//! arguments, does it with the client it stands for, and says at its end how many records that were.

mod cluster;
mod latency;
mod payloads;

use std::fmt;

pub use cluster::Cluster;
pub use latency::{Latencies, Percentiles};
pub use payloads::Payloads;

pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What a peer is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Produce,
    /// With a future per record, by a client whose usual way is another.
    ProduceFutures,
    /// At a steady rate, to see how long each record takes.
    Latency,
    Consume,
}

impl Work {
    const NAMES: [(&str, Self); 4] = [
        ("produce", Self::Produce),
        ("produce-futures", Self::ProduceFutures),
        ("latency", Self::Latency),
        ("consume", Self::Consume),
    ];

    pub fn named(name: &str) -> Outcome<Self> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        let (_, work) = found.ok_or_else(|| format!("there is no work called '{name}'"))?;
        Ok(*work)
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::NAMES.iter().find(|(_, work)| work == self);
        f.write_str(found.expect("every work has a name").0)
    }
}

/// One run of one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub work: Work,
    pub bootstrap: String,
    pub topic: String,
    pub partitions: i32,
    pub records: u64,
    /// Records a second, where they are sent at a steady rate.
    pub rate: u64,
    /// Records that may be under way at a time.
    pub window: usize,
    /// A file of values, one a line.
    pub payloads: String,
    /// By the names of the Java client.
    pub settings: Vec<(String, String)>,
}

impl Job {
    /// The arguments of this process, which are `NAME=VALUE` each.
    pub fn given() -> Outcome<Self> {
        Self::parse(std::env::args().skip(1))
    }

    fn parse(args: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut job = Self {
            work: Work::Produce,
            bootstrap: String::new(),
            topic: String::new(),
            partitions: 0,
            records: 0,
            rate: 0,
            window: 0,
            payloads: String::new(),
            settings: Vec::new(),
        };
        for arg in args {
            let (name, value) = arg.split_once('=').ok_or("arguments are NAME=VALUE")?;
            match name {
                "work" => job.work = Work::named(value)?,
                "bootstrap" => job.bootstrap = value.into(),
                "topic" => job.topic = value.into(),
                "partitions" => job.partitions = value.parse()?,
                "records" => job.records = value.parse()?,
                "rate" => job.rate = value.parse()?,
                "window" => job.window = value.parse()?,
                "payloads" => job.payloads = value.into(),
                _ => job.settings.push((name.into(), value.into())),
            }
        }
        Ok(job)
    }

    /// What [`given`](Self::given) reads.
    pub fn to_args(&self) -> Vec<String> {
        let mut args = vec![
            format!("work={}", self.work),
            format!("bootstrap={}", self.bootstrap),
            format!("topic={}", self.topic),
            format!("partitions={}", self.partitions),
            format!("records={}", self.records),
            format!("window={}", self.window),
            format!("payloads={}", self.payloads),
        ];
        // Only one of the works has one, and not every peer does that.
        if self.rate > 0 {
            args.push(format!("rate={}", self.rate));
        }
        let settings = self.settings.iter();
        args.extend(settings.map(|(name, value)| format!("{name}={value}")));
        args
    }

    /// Says that the work is done. The driver looks for this.
    pub fn done(&self, records: u64, bytes: u64) {
        let verb = match self.work {
            Work::Consume => "read",
            Work::Produce | Work::ProduceFutures | Work::Latency => "acknowledged",
        };
        println!("{records} records {verb}, {bytes} bytes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_reads_the_job_that_the_driver_wrote() {
        let job = Job {
            work: Work::ProduceFutures,
            bootstrap: "127.0.0.1:9092".into(),
            topic: "t".into(),
            partitions: 6,
            records: 10,
            rate: 3,
            window: 7,
            payloads: "/p=q".into(),
            settings: vec![("linger.ms".into(), "5".into())],
        };
        assert_eq!(Job::parse(job.to_args().into_iter()).unwrap(), job);
    }
}

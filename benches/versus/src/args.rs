//! The command line.

use std::path::PathBuf;

use ottla_versus::Outcome;

use crate::peers::{PEERS, Peer};

const USAGE: &str = "usage: run [--bootstrap HOST:PORT] [--records N] [--rounds R] \
    [--sizes 100,1024] [--codecs none,lz4] [--work produce,consume] [--peers NAME,..] [--csv FILE] \
    | run --latency [--bootstrap HOST:PORT] [--records N] [--rate N] [--rounds R] [--peers NAME,..]";

/// Records a second, and of ten seconds.
const RATE: u64 = 10_000;
const STEADY_RECORDS: u64 = 100_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    Produce,
    Consume,
}

/// What the peers are compared on.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) half: Half,
    pub(crate) size: usize,
    pub(crate) codec: String,
    pub(crate) records: u64,
}

pub(crate) struct Args {
    pub(crate) bootstrap: String,
    /// How long records take, and not how many there are.
    pub(crate) latency: bool,
    pub(crate) rate: u64,
    records: Option<u64>,
    pub(crate) rounds: usize,
    sizes: Vec<usize>,
    codecs: Vec<String>,
    halves: Vec<Half>,
    pub(crate) peers: Vec<&'static Peer>,
    pub(crate) csv: Option<PathBuf>,
}

impl Args {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut parsed = Self {
            bootstrap: String::new(),
            latency: false,
            rate: RATE,
            records: None,
            rounds: 3,
            sizes: vec![100, 1024],
            codecs: vec!["none".into(), "lz4".into()],
            halves: vec![Half::Produce, Half::Consume],
            peers: PEERS.iter().collect(),
            csv: None,
        };
        while let Some(flag) = args.next() {
            if flag == "--latency" {
                parsed.latency = true;
                continue;
            }
            let value = args.next().ok_or(USAGE)?;
            match flag.as_str() {
                "--bootstrap" => parsed.bootstrap = value,
                "--rate" => parsed.rate = value.parse::<u64>()?.max(1),
                "--records" => parsed.records = Some(value.parse()?),
                "--rounds" => parsed.rounds = value.parse()?,
                "--sizes" => parsed.sizes = list(&value, |size| Ok(size.parse()?))?,
                "--codecs" => parsed.codecs = list(&value, |codec| Ok(codec.into()))?,
                "--work" => parsed.halves = list(&value, half)?,
                "--peers" => parsed.peers = list(&value, Peer::named)?,
                "--csv" => parsed.csv = Some(value.into()),
                _ => return Err(USAGE.into()),
            }
        }
        if parsed.bootstrap.is_empty() {
            parsed.bootstrap = cluster_started_by_run()?;
        }
        Ok(parsed)
    }

    /// How many records are sent at a steady rate.
    pub(crate) fn steady_records(&self) -> u64 {
        self.records.unwrap_or(STEADY_RECORDS)
    }

    /// All combinations, those that produce first.
    pub(crate) fn cases(&self) -> impl Iterator<Item = Case> {
        self.halves.iter().flat_map(move |half| {
            self.codecs.iter().flat_map(move |codec| {
                self.sizes.iter().map(move |size| Case {
                    half: *half,
                    size: *size,
                    codec: codec.clone(),
                    records: self.records.unwrap_or_else(|| usual_records(*size)),
                })
            })
        })
    }
}

/// Enough that connecting does not count for much.
fn usual_records(size: usize) -> u64 {
    if size < 512 { 3_000_000 } else { 500_000 }
}

/// `kafka run` leaves word of its cluster in the environment.
fn cluster_started_by_run() -> Outcome<String> {
    let folder = std::env::var("OTTLA_TEST_KAFKA").map_err(|_| USAGE)?;
    let bootstrap = std::fs::read_to_string(PathBuf::from(folder).join("bootstrap"))?;
    Ok(bootstrap.trim().into())
}

fn list<T>(values: &str, parse: impl Fn(&str) -> Outcome<T>) -> Outcome<Vec<T>> {
    values.split(',').map(parse).collect()
}

fn half(name: &str) -> Outcome<Half> {
    match name {
        "produce" => Ok(Half::Produce),
        "consume" => Ok(Half::Consume),
        _ => Err(format!("--work is produce or consume, not '{name}'").into()),
    }
}

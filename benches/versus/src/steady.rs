//! How long records take from `send` to acknowledged, at a steady rate and without lingering.

use ottla_versus::{Job, Outcome, Percentiles, Work};

use crate::{
    PARTITIONS, Versus, WINDOW,
    args::Args,
    measure::{Sample, measure},
    peers::{BASELINE, Peer},
    report::Spread,
};

const SIZE: usize = 100;

/// What every producer is given, by the names of the Java client.
const SETTINGS: [(&str, &str); 4] = [
    ("acks", "all"),
    ("enable.idempotence", "true"),
    ("linger.ms", "0"),
    ("compression.type", "none"),
];

/// A peer, and its runs.
struct Row {
    peer: &'static Peer,
    runs: Vec<(Percentiles, Sample)>,
}

/// Runs those peers that can in turn, and prints their medians.
pub(crate) fn compare(versus: &Versus, peers: &[&'static Peer], args: &Args) -> Outcome<()> {
    let steady = peers.iter().filter(|peer| peer.steady);
    let mut rows: Vec<Row> = steady
        .map(|peer| Row {
            peer,
            runs: Vec::new(),
        })
        .collect();
    eprintln!("one run that does not count, for the broker to warm up");
    let first = rows
        .first()
        .ok_or("none of these peers sends at a rate")?
        .peer;
    run(versus, first, args)?;
    for round in 1..=args.rounds {
        for row in &mut rows {
            let (percentiles, sample) = run(versus, row.peer, args)?;
            eprintln!("round {round}: {} {percentiles:?}", row.peer.name);
            row.runs.push((percentiles, sample));
        }
    }
    print(&rows, args);
    Ok(())
}

/// One run on a topic of its own.
fn run(versus: &Versus, peer: &Peer, args: &Args) -> Outcome<(Percentiles, Sample)> {
    let topic = versus.cluster.create(PARTITIONS)?;
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let job = Job {
        work: Work::Latency,
        bootstrap: versus.cluster.bootstrap.clone(),
        topic: topic.clone(),
        partitions: PARTITIONS,
        records: args.steady_records(),
        rate: args.rate,
        window: WINDOW,
        payloads: versus.scratch.payloads(SIZE)?,
        settings: SETTINGS.iter().map(own).collect(),
    };
    let sample = measure(versus.tools.command(peer, &job), job.records)?;
    versus
        .cluster
        .expect_records(&topic, PARTITIONS, job.records)?;
    versus.cluster.delete(&topic)?;
    Ok((Percentiles::find(&sample.said)?, sample))
}

/// A column per quantity; beside each median stands how it is to the baseline's.
fn print(rows: &[Row], args: &Args) {
    let records = args.steady_records() as f64;
    let us = |ns: u64| ns as f64 / 1e3;
    type Quantity<'a> = &'a dyn Fn(&(Percentiles, Sample)) -> f64;
    let cpu = |sample: &Sample| (sample.user + sample.system).as_secs_f64() * 1e6 / records;
    let quantities: [(&str, Quantity<'_>); 5] = [
        ("p50 us", &|(percentiles, _)| us(percentiles.p50)),
        ("p99 us", &|(percentiles, _)| us(percentiles.p99)),
        ("p99.9 us", &|(percentiles, _)| us(percentiles.p999)),
        ("sent late, p99 us", &|(percentiles, _)| {
            us(percentiles.late_p99)
        }),
        ("CPU us/record", &|(_, sample)| cpu(sample)),
    ];
    println!("{} records/s of {SIZE} B", args.rate);
    println!("| quantity | peer | median (least-most) | / librdkafka's |");
    println!("|---|---|---:|---:|");
    for (name, quantity) in quantities {
        let spread = |row: &Row| Spread::of(row.runs.iter().map(quantity));
        let baseline = rows
            .iter()
            .find(|row| row.peer.name == BASELINE)
            .map(spread);
        for row in rows {
            let of_row = spread(row);
            let ratio = baseline.as_ref().map_or_else(
                || "-".to_owned(),
                |baseline| format!("{:.2}", of_row.median / baseline.median),
            );
            let (peer, text) = (row.peer.name, of_row.to_text(1));
            println!("| {name} | {peer} | {text} | {ratio} |");
        }
    }
}

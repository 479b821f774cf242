//! What was measured: a line of CSV per run as it ends, and a table of medians at the end.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

use ottla_versus::Outcome;

use crate::{
    args::{Case, Half},
    measure::Sample,
    peers::BASELINE,
};

const CSV_HEAD: &str = "work,bytes,codec,peer,round,records,seconds,records_per_second,\
    user_us_per_record,system_us_per_record,cpu_us_per_record,peak_mib,load";

pub(crate) struct Report {
    csv: Option<File>,
    rows: Vec<Row>,
    failures: usize,
}

/// A peer on a case.
struct Row {
    case: String,
    peer: &'static str,
    records: f64,
    samples: Vec<Sample>,
}

impl Report {
    pub(crate) fn new(csv: Option<&Path>) -> io::Result<Self> {
        let mut csv = csv.map(File::create).transpose()?;
        if let Some(file) = &mut csv {
            writeln!(file, "{CSV_HEAD}")?;
        }
        Ok(Self {
            csv,
            rows: Vec::new(),
            failures: 0,
        })
    }

    /// Takes one run down. One that failed is told, and is no sample.
    pub(crate) fn add(
        &mut self,
        case: &Case,
        peer: &'static str,
        round: usize,
        measured: Outcome<Sample>,
    ) -> Outcome<()> {
        let name = describe(case);
        let sample = match measured {
            Ok(sample) => sample,
            Err(error) => {
                println!("FAILED {name}, {peer}, round {round}: {error}");
                self.failures += 1;
                return Ok(());
            }
        };
        let records = case.records as f64;
        let (rate, cpu) = (rate(records, &sample), cpu(records, &sample));
        eprintln!("{name}, round {round}: {peer} {rate:.0} records/s, {cpu:.3} us of CPU a record");
        self.write_csv(case, peer, round, &sample)?;
        let known = self
            .rows
            .iter_mut()
            .find(|row| row.case == name && row.peer == peer);
        match known {
            Some(row) => row.samples.push(sample),
            None => self.rows.push(Row {
                case: name,
                peer,
                records,
                samples: vec![sample],
            }),
        }
        Ok(())
    }

    fn write_csv(&mut self, case: &Case, peer: &str, round: usize, s: &Sample) -> Outcome<()> {
        let Some(file) = &mut self.csv else {
            return Ok(());
        };
        let records = case.records as f64;
        writeln!(
            file,
            "{},{},{},{peer},{round},{},{:.3},{:.0},{:.4},{:.4},{:.4},{:.1},{}",
            verb(case.half),
            case.size,
            case.codec,
            case.records,
            s.wall.as_secs_f64(),
            rate(records, s),
            s.user.as_secs_f64() * 1e6 / records,
            s.system.as_secs_f64() * 1e6 / records,
            cpu(records, s),
            peak(s),
            load()?,
        )?;
        Ok(())
    }

    /// Medians, with the least and the most in brackets.
    pub(crate) fn print(&self) {
        println!(
            "| work | peer | thousand records/s | CPU us/record | / librdkafka's | peak MiB |"
        );
        println!("|---|---|---:|---:|---:|---:|");
        for row in &self.rows {
            let cpu_of = |row: &Row| row.spread(|s| cpu(row.records, s));
            let baseline = self
                .rows
                .iter()
                .find(|other| other.case == row.case && other.peer == BASELINE);
            let ratio = baseline.map_or_else(
                || "-".to_owned(),
                |base| format!("{:.2}", cpu_of(row).median / cpu_of(base).median),
            );
            println!(
                "| {} | {} | {} | {} | {ratio} | {} |",
                row.case,
                row.peer,
                row.spread(|s| rate(row.records, s) / 1e3).to_text(0),
                cpu_of(row).to_text(3),
                row.spread(peak).to_text(0),
            );
        }
    }

    /// An error when a run failed.
    pub(crate) fn verdict(&self) -> Outcome<()> {
        match self.failures {
            0 => Ok(()),
            n => Err(format!("{n} runs failed").into()),
        }
    }
}

impl Row {
    fn spread(&self, value: impl Fn(&Sample) -> f64) -> Spread {
        Spread::of(self.samples.iter().map(value))
    }
}

pub(crate) struct Spread {
    least: f64,
    pub(crate) median: f64,
    most: f64,
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        Self {
            least: values[0],
            median: values[values.len() / 2],
            most: values[values.len() - 1],
        }
    }

    pub(crate) fn to_text(&self, digits: usize) -> String {
        let Self {
            least,
            median,
            most,
        } = self;
        format!("{median:.digits$} ({least:.digits$}-{most:.digits$})")
    }
}

fn describe(case: &Case) -> String {
    format!("{} {} B, {}", verb(case.half), case.size, case.codec)
}

const fn verb(half: Half) -> &'static str {
    match half {
        Half::Produce => "produce",
        Half::Consume => "consume",
    }
}

fn rate(records: f64, sample: &Sample) -> f64 {
    records / sample.wall.as_secs_f64()
}

/// Microseconds of the process per record, user and system.
fn cpu(records: f64, sample: &Sample) -> f64 {
    (sample.user + sample.system).as_secs_f64() * 1e6 / records
}

fn peak(sample: &Sample) -> f64 {
    sample.peak as f64 / f64::from(1 << 20)
}

/// The machine's load over the last minute: what else ran.
fn load() -> io::Result<String> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}

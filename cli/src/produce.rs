//! `produce`: a record for each line of standard input, or for each file.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt::Display,
    fs::File,
    io::{self, IsTerminal, Read},
    path::PathBuf,
    time::Instant,
};

use ottla::{Delivery, ErrorKind, Producer, Record, Start, protocol::records::Header};
use tokio::select;

use crate::{
    args::Produce,
    escape::Delimiter,
    failure::{Failure, note},
    interrupt::{Signal, Signals},
    json_record::JsonRecord,
    lines::{self, Chunk},
    patient::Patient,
    session::Session,
};

/// Records that may be on their way; the producer's own limit is in bytes (`buffer.memory`).
const UNDER_WAY: usize = 10_000;

/// `produce`
pub(crate) async fn run(args: &Produce) -> Result<(), Failure> {
    let mut signals = Signals::listen();
    let session = select! {
        session = open(args) => session?,
        signal = signals.first() => return Err(Failure::Interrupted(signal)),
    };
    let mut producing = Producing::new(args, &session)?;
    let ended = select! {
        ended = producing.send_all() => ended,
        signal = signals.first() => Err(Failure::Interrupted(signal)),
    };
    producing.finish().await?;
    if let Err(Failure::Interrupted(signal)) = ended {
        producing.report(signal);
    } else if args.connection.verbose > 0 || io::stderr().is_terminal() {
        producing.sum_up();
    }
    ended?;
    if producing.failed {
        Err(Failure::Told)
    } else {
        Ok(())
    }
}

/// Connects, and finds the topic and the partition: now rather than after the first line was typed.
async fn open(args: &Produce) -> Result<Session, Failure> {
    let session = Session::open(&args.connection).await?;
    let topic = session.topic(args.topic.name()).await?;
    let missing = args.partition.filter(|n| topic.partition(*n).is_none());
    if let Some(partition) = missing {
        let start = Start::Latest;
        session
            .client
            .offset(args.topic.name(), partition, start)
            .await?;
    }
    Ok(session)
}

struct Producing<'a> {
    args: &'a Produce,
    headers: Vec<Header<'a>>,
    producer: Producer,
    /// Where records came from and what becomes of them, in the order they were sent.
    under_way: VecDeque<(Origin, Delivery)>,
    written: u64,
    /// The partitions that they were written to.
    partitions: BTreeSet<i32>,
    started: Instant,
    failed: bool,
}

impl<'a> Producing<'a> {
    fn new(args: &'a Produce, session: &Session) -> Result<Self, Failure> {
        let mut builder = session.producer()?;
        let overridden = session.overrides("compression.type");
        if let Some(compression) = args.compression.as_ref().filter(|_| !overridden) {
            builder = builder.set("compression.type", compression);
        }
        if let Some(acks) = args.acks.as_ref().filter(|_| !session.overrides("acks")) {
            builder = builder.set("acks", acks);
        }
        let with_value = args.header.iter().map(|header| Header {
            key: header.name.as_bytes(),
            value: Some(header.value.as_bytes()),
        });
        let null = args.null_header.iter().map(|name| Header {
            key: name.as_bytes(),
            value: None,
        });
        Ok(Self {
            args,
            headers: with_value.chain(null).collect(),
            producer: builder.build()?,
            under_way: VecDeque::new(),
            written: 0,
            partitions: BTreeSet::new(),
            started: Instant::now(),
            failed: false,
        })
    }

    /// What a signal cut short.
    fn report(&self, signal: Signal) {
        note(format_args!("{signal}: {} written", self.records()));
    }

    /// Says how many records were written, where, and how fast.
    fn sum_up(&self) {
        let time = self.started.elapsed().as_secs_f64();
        let rate = self.written as f64 / time.max(1e-6);
        let partitions = match self.partitions.len() {
            1 => "1 partition".to_owned(),
            count => format!("{count} partitions"),
        };
        note(format_args!(
            "{} written to {partitions} of {} in {time:.2} s ({rate:.0} per second)",
            self.records(),
            self.args.topic.name(),
        ));
    }

    fn records(&self) -> String {
        let records = if self.written == 1 {
            "record"
        } else {
            "records"
        };
        format!("{} {records}", self.written)
    }

    /// Sends all there is until one failed.
    async fn send_all(&mut self) -> Result<(), Failure> {
        let args = self.args;
        if args.files.is_empty() {
            return self.send_lines(None, Patient(io::stdin())).await;
        }
        for (at, file) in args.files.iter().enumerate() {
            let failed = |error| Failure::Failed(format!("reading {}: {error}", file.display()));
            let mut input = File::open(file).map_err(failed)?;
            if args.lines || args.json {
                self.send_lines(Some(at), input).await?;
            } else {
                let mut content = Vec::new();
                input.read_to_end(&mut content).map_err(failed)?;
                let origin = Origin {
                    file: Some(at),
                    line: None,
                };
                self.send_one(origin, &content).await?;
            }
            if self.failed {
                break;
            }
        }
        Ok(())
    }

    /// Sends lines until there are no more or one failed.
    async fn send_lines(
        &mut self,
        file: Option<usize>,
        input: impl Read + Send + 'static,
    ) -> Result<(), Failure> {
        let args = self.args;
        let name = match file.and_then(|at| args.files.get(at)) {
            Some(file) => file.display().to_string(),
            None => "standard input".to_owned(),
        };
        let delimiter = args.delimiter.clone().unwrap_or_else(Delimiter::newline);
        let mut chunks = lines::read(input, delimiter);
        while !self.failed {
            select! {
                settled = settle_first(&args.files, &mut self.under_way), if !self.under_way.is_empty() => {
                    self.settled(settled);
                }
                chunk = chunks.recv() => match chunk {
                    Some(Ok(chunk)) => self.send_chunk(file, &chunk).await?,
                    Some(Err(error)) => {
                        return Err(Failure::Failed(format!("reading {name}: {error}")));
                    }
                    None => break,
                },
            }
        }
        Ok(())
    }

    async fn send_chunk(&mut self, file: Option<usize>, chunk: &Chunk) -> Result<(), Failure> {
        for (number, line) in chunk.lines() {
            let line_of = Origin {
                file,
                line: Some(number),
            };
            self.send_one(line_of, line).await?;
            if self.failed {
                break;
            }
        }
        Ok(())
    }

    async fn send_one(&mut self, origin: Origin, content: &[u8]) -> Result<(), Failure> {
        let files = &self.args.files;
        let at = |what: &dyn Display| Failure::Failed(format!("{}: {what}", origin.name(files)));
        let sent = if self.args.json {
            let json = JsonRecord::parse(content).map_err(|what| at(&what))?;
            self.send_json(&json).await
        } else {
            let record = self.record(content).map_err(|what| at(&what))?;
            self.producer.send(record).await
        };
        let delivery = sent.map_err(|error| at(&error))?;
        self.under_way.push_back((origin, delivery));
        if self.under_way.len() >= UNDER_WAY {
            let settled = settle_first(files, &mut self.under_way).await;
            self.settled(settled);
        }
        Ok(())
    }

    async fn send_json(&self, json: &JsonRecord) -> ottla::Result<Delivery> {
        let own = json.headers.iter().map(|(key, value)| Header {
            key,
            value: value.as_deref(),
        });
        let headers: Vec<_> = own.chain(self.headers.iter().copied()).collect();
        let mut record = Record::to(self.args.topic.name()).headers(&headers);
        if let Some(key) = &json.key {
            record = record.key(key);
        }
        if let Some(value) = &json.value {
            record = record.value(value);
        }
        if let Some(timestamp) = json.timestamp {
            record = record.timestamp(timestamp);
        }
        if let Some(partition) = self.args.partition.or(json.partition) {
            record = record.partition(partition);
        }
        self.producer.send(record).await
    }

    /// Counts a record that was written, to this partition, or was not.
    fn settled(&mut self, partition: Option<i32>) {
        match partition {
            Some(partition) => {
                self.written += 1;
                self.partitions.insert(partition);
            }
            None => self.failed = true,
        }
    }

    fn record<'r>(&'r self, line: &'r [u8]) -> Result<Record<'r>, &'static str> {
        let args = self.args;
        let (key, value) = match &args.key_delimiter {
            None => (args.key.as_ref().map(String::as_bytes), line),
            Some(delimiter) => {
                let (key, value) = delimiter
                    .split(line)
                    .ok_or("there is no key delimiter in it")?;
                (Some(key), value)
            }
        };
        let kept = |bytes: &&[u8]| !(args.null && bytes.is_empty());
        let mut record = Record::to(args.topic.name()).headers(&self.headers);
        if let Some(key) = key.filter(kept) {
            record = record.key(key);
        }
        if let Some(value) = Some(value).filter(kept) {
            record = record.value(value);
        }
        if let Some(partition) = args.partition {
            record = record.partition(partition);
        }
        if let Some(timestamp) = args.timestamp {
            record = record.timestamp(timestamp);
        }
        Ok(record)
    }

    /// Waits for all that are under way.
    async fn finish(&mut self) -> Result<(), Failure> {
        match self.producer.flush().await {
            // The loop below tells each failed record, with its line.
            Err(error) if matches!(error.kind(), ErrorKind::Unwritten { .. }) => {}
            flushed => flushed?,
        }
        while !self.under_way.is_empty() {
            let settled = settle_first(&self.args.files, &mut self.under_way).await;
            self.settled(settled);
        }
        Ok(())
    }
}

/// Where a record came from.
#[derive(Debug, Clone, Copy)]
struct Origin {
    /// Which of the files; standard input has none.
    file: Option<usize>,
    /// Its line, where a line is a record.
    line: Option<u64>,
}

impl Origin {
    fn name(self, files: &[PathBuf]) -> String {
        let file = self.file.and_then(|at| files.get(at));
        let file = file.map(|file| file.display().to_string());
        match (file, self.line) {
            (Some(file), Some(line)) => format!("{file}, line {line}"),
            (Some(file), None) => file,
            (None, line) => format!("line {}", line.unwrap_or_default()),
        }
    }
}

/// Waits for the record that was sent first, and says which partition it was written to, if it was.
/// Dropping the future leaves it under way.
async fn settle_first(
    files: &[PathBuf],
    under_way: &mut VecDeque<(Origin, Delivery)>,
) -> Option<i32> {
    let (origin, delivery) = under_way.front_mut()?;
    let partition = match delivery.await {
        Ok(written) => Some(written.partition),
        Err(error) => {
            note(format_args!("{}: {error}", origin.name(files)));
            None
        }
    };
    under_way.pop_front();
    partition
}

//! `produce`: a record for each line of standard input.

use std::{collections::VecDeque, fmt::Display, io};

use ottla::{Delivery, Producer, Record, Start, protocol::records::Header};
use tokio::select;

use crate::{
    args::Produce,
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
    let topic = session.client.topic(args.topic.name()).await?;
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
    /// Line numbers and what becomes of their records, in the order they were sent.
    under_way: VecDeque<(u64, Delivery)>,
    written: u64,
    failed: bool,
}

impl<'a> Producing<'a> {
    fn new(args: &'a Produce, session: &Session) -> Result<Self, Failure> {
        let mut builder = session.producer()?;
        let overridden = session.overrides("compression.type");
        if let Some(compression) = args.compression.as_ref().filter(|_| !overridden) {
            builder = builder.set("compression.type", compression);
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
            failed: false,
        })
    }

    /// What a signal cut short.
    fn report(&self, signal: Signal) {
        let records = if self.written == 1 {
            "record"
        } else {
            "records"
        };
        note(format_args!("{signal}: {} {records} written", self.written));
    }

    /// Sends lines until there are no more or one failed.
    async fn send_all(&mut self) -> Result<(), Failure> {
        let mut chunks = lines::read(Patient(io::stdin()));
        while !self.failed {
            select! {
                failed = settle_first(&mut self.under_way), if !self.under_way.is_empty() => {
                    self.settled(failed);
                }
                chunk = chunks.recv() => match chunk {
                    Some(Ok(chunk)) => self.send_chunk(&chunk).await?,
                    Some(Err(error)) => {
                        return Err(Failure::Failed(format!("reading standard input: {error}")));
                    }
                    None => break,
                },
            }
        }
        Ok(())
    }

    async fn send_chunk(&mut self, chunk: &Chunk) -> Result<(), Failure> {
        for (number, line) in chunk.lines() {
            let at = |what: &dyn Display| Failure::Failed(format!("line {number}: {what}"));
            let sent = if self.args.json {
                let json = JsonRecord::parse(line).map_err(|what| at(&what))?;
                self.send_json(&json).await
            } else {
                let record = self.record(line).map_err(|what| at(&what))?;
                self.producer.send(record).await
            };
            let delivery = sent.map_err(|error| at(&error))?;
            self.under_way.push_back((number, delivery));
            if self.under_way.len() >= UNDER_WAY {
                let failed = settle_first(&mut self.under_way).await;
                self.settled(failed);
            }
            if self.failed {
                break;
            }
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

    const fn settled(&mut self, failed: bool) {
        if failed {
            self.failed = true;
        } else {
            self.written += 1;
        }
    }

    fn record<'r>(&'r self, line: &'r [u8]) -> Result<Record<'r>, &'static str> {
        let args = self.args;
        let (key, value) = match &args.key_delimiter {
            None => (None, line),
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
        Ok(record)
    }

    /// Waits for all that are under way.
    async fn finish(&mut self) -> Result<(), Failure> {
        self.producer.flush().await?;
        while !self.under_way.is_empty() {
            let failed = settle_first(&mut self.under_way).await;
            self.settled(failed);
        }
        Ok(())
    }
}

/// Waits for the record that was sent first, and says whether it failed. Dropping the future leaves it
/// under way.
async fn settle_first(under_way: &mut VecDeque<(u64, Delivery)>) -> bool {
    let Some((number, delivery)) = under_way.front_mut() else {
        return false;
    };
    let failed = match delivery.await {
        Ok(_) => false,
        Err(error) => {
            note(format_args!("line {number}: {error}"));
            true
        }
    };
    under_way.pop_front();
    failed
}

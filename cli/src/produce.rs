//! `produce`: a record for each line of standard input.

use std::{collections::VecDeque, io};

use ottla::{Delivery, Producer, Record, protocol::records::Header};
use tokio::select;

use crate::{
    args::Produce,
    failure::{Failure, note},
    interrupt::interrupted,
    lines::{self, Chunk},
    session::Session,
};

/// Records that may be on their way; the producer's own limit is in bytes (`buffer.memory`).
const UNDER_WAY: usize = 10_000;

/// `produce`
pub(crate) async fn run(args: &Produce) -> Result<(), Failure> {
    let session = Session::open(&args.connection).await?;
    let mut builder = session.producer()?;
    let overridden = session.property("compression.type").is_some();
    if let Some(compression) = args.compression.as_ref().filter(|_| !overridden) {
        builder.set("compression.type", compression)?;
    }
    // Said now rather than after the first line was typed.
    session.client.topic(&args.topic).await?;
    let headers = args.header.iter().map(|header| Header {
        key: header.name.as_bytes(),
        value: header.value.as_ref().map(String::as_bytes),
    });
    let mut producing = Producing {
        args,
        headers: headers.collect(),
        producer: builder.build()?,
        under_way: VecDeque::new(),
        failed: false,
    };
    let ended = select! {
        ended = producing.send_all() => ended,
        () = interrupted() => Err(Failure::Interrupted),
    };
    producing.finish().await?;
    ended?;
    if producing.failed {
        Err(Failure::Told)
    } else {
        Ok(())
    }
}

struct Producing<'a> {
    args: &'a Produce,
    headers: Vec<Header<'a>>,
    producer: Producer,
    /// Line numbers and what becomes of their records, in the order they were sent.
    under_way: VecDeque<(u64, Delivery)>,
    failed: bool,
}

impl Producing<'_> {
    /// Sends lines until there are no more or one failed.
    async fn send_all(&mut self) -> Result<(), Failure> {
        let mut chunks = lines::read(io::stdin());
        while !self.failed {
            select! {
                () = settle_first(&mut self.under_way, &mut self.failed),
                    if !self.under_way.is_empty() => {}
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
            let record = self.record(line);
            let record =
                record.map_err(|what| Failure::Failed(format!("line {number}: {what}")))?;
            let sent = self.producer.send(record).await;
            let delivery = sent.map_err(|e| Failure::Failed(format!("line {number}: {e}")))?;
            self.under_way.push_back((number, delivery));
            if self.under_way.len() >= UNDER_WAY {
                settle_first(&mut self.under_way, &mut self.failed).await;
            }
            if self.failed {
                break;
            }
        }
        Ok(())
    }

    fn record<'a>(&'a self, line: &'a [u8]) -> Result<Record<'a>, &'static str> {
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
        let mut record = Record::to(&args.topic).headers(&self.headers);
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
            settle_first(&mut self.under_way, &mut self.failed).await;
        }
        Ok(())
    }
}

/// Waits for the record that was sent first. Dropping the future leaves it under way.
async fn settle_first(under_way: &mut VecDeque<(u64, Delivery)>, failed: &mut bool) {
    let Some((number, delivery)) = under_way.front_mut() else {
        return;
    };
    if let Err(error) = delivery.await {
        note(format_args!("line {number}: {error}"));
        *failed = true;
    }
    under_way.pop_front();
}

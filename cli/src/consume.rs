//! `consume`: the records of a topic on standard output.

use std::{collections::BTreeMap, future::ready, time::Duration};

use ottla::{Client, Consumer, ErrorKind, RecordBatch, Start};
use tokio::{select, time::timeout};

use crate::{
    args::Consume,
    failure::{Failure, note},
    interrupt::Signals,
    json,
    output::{self, Output},
    row::Row,
    session::Session,
    span::{self, Instead, Span, Wanted},
};

/// `consume`
pub(crate) async fn run(args: &Consume) -> Result<(), Failure> {
    let mut signals = Signals::listen();
    let mut out = Output::stdout();
    let done = select! {
        done = consume(args, &mut out) => done,
        _ = signals.first() => Ok(()),
        () = output::reader_gone() => Err(Failure::OutputClosed),
    };
    out.finish(done)
}

async fn consume(args: &Consume, out: &mut Output) -> Result<(), Failure> {
    let session = Session::open(&args.connection).await?;
    let mut builder = session.consumer()?;
    let instead = Instead::of(session.property("auto.offset.reset"));
    let partitions = partitions(&session, args).await?;
    let topic = args.topic.name();
    let wanted = Wanted {
        range: args.range(),
        exit: args.exit,
        instead,
    };
    let mut spans = span::find(&session.client, topic, &partitions, wanted).await?;
    spans.retain(|span| span.end.is_none_or(|end| span.from < end));
    for span in &spans {
        builder = builder.assign(topic, span.partition, Start::Offset(span.from));
    }
    let reading = Reading {
        args,
        out,
        consumer: builder.build().await?,
        client: session.client.clone(),
        idle: session.timeout,
        ends: spans
            .into_iter()
            .map(|Span { partition, end, .. }| (partition, end))
            .collect(),
        left: args.count,
    };
    reading.run().await
}

/// The partitions that were asked for, or all.
async fn partitions(session: &Session, args: &Consume) -> Result<Vec<i32>, Failure> {
    let topic = session.topic(args.topic.name()).await?;
    let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    if args.partitions.is_empty() {
        return Ok((0..count).collect());
    }
    let mut partitions = Vec::new();
    for range in &args.partitions {
        let (first, last) = (*range.start(), *range.end());
        // Of those that are not there, the first is enough to be told.
        partitions.extend(first..=last.min(count.max(first)));
    }
    partitions.sort_unstable();
    partitions.dedup();
    Ok(partitions)
}

struct Reading<'a> {
    args: &'a Consume,
    out: &'a mut Output,
    consumer: Consumer,
    client: Client,
    /// How long silence may last before it is asked what is the matter.
    idle: Duration,
    /// The partitions being read, and where reading them ends, if it does.
    ends: BTreeMap<i32, Option<i64>>,
    /// How many records are still to be printed.
    left: Option<u64>,
}

impl Reading<'_> {
    async fn run(mut self) -> Result<(), Failure> {
        while self.left != Some(0) && !self.ends.is_empty() {
            match self.next().await? {
                Some(batch) => self.take(&batch)?,
                None => self.look_around().await?,
            }
        }
        Ok(())
    }

    /// The next batch; none when it was silent for long. While nothing comes, what came can be
    /// seen.
    async fn next(&mut self) -> Result<Option<RecordBatch>, Failure> {
        select! {
            biased;
            batch = next_batch(&mut self.consumer) => return Ok(Some(batch?)),
            () = ready(()) => self.out.flush()?,
        }
        match timeout(self.idle, next_batch(&mut self.consumer)).await {
            Ok(batch) => Ok(Some(batch?)),
            Err(_) => Ok(None),
        }
    }

    fn take(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let partition = batch.partition();
        let end = self.ends.get(&partition).copied().flatten();
        for record in batch {
            let at = || format!("{}-{partition}", self.args.topic.name());
            let record = record.map_err(|e| Failure::Failed(format!("reading {}: {e}", at())))?;
            if self.left == Some(0) || end.is_some_and(|end| record.offset >= end) {
                break;
            }
            let row = Row::new(batch, &record);
            if !self.args.grep.iter().all(|grep| grep.passes(&row)) {
                continue;
            }
            self.print(&row)?;
            self.left = self.left.map(|left| left - 1);
        }
        if end.is_some_and(|end| batch.next_offset() >= end) {
            self.end(partition)?;
        }
        Ok(())
    }

    fn print(&mut self, row: &Row<'_>) -> Result<(), Failure> {
        let args = self.args;
        self.out.put(|out| {
            if args.json {
                json::write(row, out)
            } else {
                args.format.write(row, out)
            }
        })
    }

    /// A partition is read to its end.
    fn end(&mut self, partition: i32) -> Result<(), Failure> {
        self.ends.remove(&partition);
        Ok(self.consumer.unassign(self.args.topic.name(), partition)?)
    }

    /// Silence is the rule at the end of a topic. Before it, records may have been deleted under
    /// our hands, or the brokers are gone.
    async fn look_around(&mut self) -> Result<(), Failure> {
        for (partition, end) in self.ends.clone() {
            match self
                .client
                .offset(self.args.topic.name(), partition, Start::Earliest)
                .await
            {
                Ok(first) if end.is_some_and(|end| first >= end) => self.end(partition)?,
                Ok(_) => {}
                Err(error) if end.is_some() => return Err(error.into()),
                Err(error) => {
                    note(format_args!("nothing to read: {error}; still trying"));
                    break;
                }
            }
        }
        Ok(())
    }
}

/// The next batch. The end of a partition (`enable.partition.eof`) is no failure: the command knows by
/// itself where it ends.
async fn next_batch(consumer: &mut Consumer) -> ottla::Result<RecordBatch> {
    loop {
        match consumer.next_batch().await {
            Err(error) if matches!(error.kind(), ErrorKind::PartitionEnd { .. }) => {}
            next => return next,
        }
    }
}

//! `demo`: a pipeline from a file of orders through two topics, checked at its end.
//!
//! [`order`] is what is done to one order, [`pipeline`] moves orders through the cluster, [`tally`]
//! counts what should come out and what does, [`report`] prints it. The cluster is one in this
//! process unless the command line names another.

mod order;
mod pipeline;
mod report;
mod tally;

use std::{
    process,
    time::{SystemTime, UNIX_EPOCH},
};

use ottla_broker::Cluster;
use tokio::select;

use crate::{
    args::Demo,
    failure::{Failure, note},
    interrupt::Signals,
    output::Output,
    session::Session,
    topic::{NewTopic, make, remove},
};

use pipeline::Pipeline;
use report::Report;
use tally::Tally;

/// Orders of a small shop for coffee and tea, one JSON object on each line.
const ORDERS: &str = include_str!("../../data/orders.jsonl");

/// A topic of the demo.
#[derive(Debug)]
struct DemoTopic {
    name: String,
    partitions: i32,
}

/// `demo`
pub(crate) async fn run(args: &Demo) -> Result<(), Failure> {
    let mut report = Report::new(Output::stdout());
    let done = match &args.connection.bootstrap {
        Some(bootstrap) => run_there(args, bootstrap, &mut report).await,
        None => run_here(args, &mut report).await,
    };
    report.finish(done)
}

/// On a cluster that others use too.
async fn run_there(args: &Demo, bootstrap: &str, report: &mut Report) -> Result<(), Failure> {
    report.cluster(bootstrap)?;
    run_at(args, bootstrap, &unique(), report).await
}

/// With brokers in this process, which end with it.
async fn run_here(args: &Demo, report: &mut Report) -> Result<(), Failure> {
    const BROKERS: i32 = 3;
    let cluster = Cluster::builder().brokers(BROKERS).start().await;
    let cluster = cluster.map_err(|e| Failure::Failed(e.to_string()))?;
    report.own_cluster(BROKERS, &cluster.bootstrap())?;
    run_at(args, &cluster.bootstrap(), "", report).await
}

/// Makes the topics, runs the pipeline, and deletes the topics whatever became of it.
async fn run_at(
    args: &Demo,
    bootstrap: &str,
    suffix: &str,
    report: &mut Report,
) -> Result<(), Failure> {
    let session = Session::open_at(&args.connection, Some(bootstrap.to_owned())).await?;
    let topic = |name: &str, partitions| DemoTopic {
        name: format!("ottla-demo-{name}{suffix}"),
        partitions,
    };
    let topics = [topic("orders", 6), topic("enriched", 3)];
    let mut made = Vec::new();
    let mut signals = Signals::listen();
    let done = select! {
        done = run_in(&session, &topics, &mut made, report) => done,
        signal = signals.first() => Err(Failure::Interrupted(signal)),
    };
    let cleaned = delete(&session, &made).await;
    done.and(cleaned)
}

async fn run_in<'a>(
    session: &Session,
    topics: &'a [DemoTopic; 2],
    made: &mut Vec<&'a str>,
    report: &mut Report,
) -> Result<(), Failure> {
    let expected = Tally::of(ORDERS).map_err(Failure::Failed)?;
    report.read(&expected)?;
    for topic in topics {
        // From here on it may exist, whatever the answer.
        made.push(&topic.name);
        let new = NewTopic {
            name: &topic.name,
            partitions: Some(topic.partitions),
            replication_factor: None,
            config: &[],
        };
        make(&session.client, session.timeout, &new).await?;
    }
    let outcome = Pipeline::new(session, topics, ORDERS)?.run().await?;
    report.moved(topics, &outcome)?;
    outcome.tally.check(&expected).map_err(Failure::Failed)?;
    report.checked(&outcome)
}

/// Deletes what was made, and says what it could not.
async fn delete(session: &Session, made: &[&str]) -> Result<(), Failure> {
    let mut done = Ok(());
    for name in made {
        if let Err(failure) = remove(&session.client, session.timeout, name).await {
            if let Failure::Failed(what) = failure {
                note(what);
            }
            done = Err(Failure::Told);
        }
    }
    done
}

/// Tells this run's topics from those of others.
fn unique() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!("-{:x}-{:x}", since.as_millis(), process::id())
}

//! `topic create`, `topic list`, `topic delete`.

use std::{io::Write, time::Duration};

use ottla::{
    Client, ErrorKind,
    protocol::messages::{
        CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, DeleteTopicState,
        DeleteTopicsRequest, DeleteTopicsResponse, MetadataRequest, MetadataTopic,
    },
};

use crate::{
    args::{Property, TopicCreate, TopicDelete, TopicList},
    failure::{Failure, note},
    output::Output,
    session::{Session, refused},
};

/// What a topic that is to be made is like; `None` is for the broker to decide.
#[derive(Debug)]
pub(crate) struct NewTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: Option<i32>,
    pub(crate) replication_factor: Option<i16>,
    pub(crate) config: &'a [Property],
}

/// A topic as it is printed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listed {
    name: String,
    partitions: i64,
    replication_factor: i64,
}

/// `topic create`
pub(crate) async fn create(args: &TopicCreate) -> Result<(), Failure> {
    let session = Session::open(&args.connection).await?;
    let timeout = session.timeout;
    let mut failed = false;
    for name in &args.names {
        let new = NewTopic {
            name,
            partitions: args.partitions,
            replication_factor: args.replication_factor,
            config: &args.config,
        };
        let made = make(&session.client, timeout, &new).await;
        if let Some(made) = told(made, &mut failed)? {
            print(&[made])?;
        }
    }
    ended(failed)
}

/// Tells what failed, so that the command goes on with the next topic.
fn told<T>(done: Result<T, Failure>, failed: &mut bool) -> Result<Option<T>, Failure> {
    match done {
        Err(Failure::Failed(what)) => {
            note(what);
            *failed = true;
            Ok(None)
        }
        done => done.map(Some),
    }
}

const fn ended(failed: bool) -> Result<(), Failure> {
    if failed { Err(Failure::Told) } else { Ok(()) }
}

/// `topic list`
pub(crate) async fn list(args: &TopicList) -> Result<(), Failure> {
    let client = Session::open(&args.connection).await?.client;
    let all = MetadataRequest {
        topics: None,
        ..MetadataRequest::default()
    };
    let mut topics = client.request(all).await?.topics;
    topics.retain(|topic| args.internal || !topic.is_internal);
    let (seen, hidden): (Vec<_>, _) = topics.iter().partition(|topic| topic.error_code.is_ok());
    let mut listed: Vec<_> = seen.into_iter().map(listed).collect();
    listed.sort_unstable();
    print(&listed)?;
    let hidden: Vec<_> = hidden;
    for topic in &hidden {
        note(format_args!("topic {}: {}", name(topic), topic.error_code));
    }
    ended(!hidden.is_empty())
}

/// `topic delete`
pub(crate) async fn delete(args: &TopicDelete) -> Result<(), Failure> {
    let session = Session::open(&args.connection).await?;
    let timeout = session.timeout;
    let mut failed = false;
    for name in &args.names {
        let removed = remove(&session.client, timeout, name).await;
        told(removed, &mut failed)?;
    }
    ended(failed)
}

/// Makes a topic, and says what became of it.
pub(crate) async fn make(
    client: &Client,
    timeout: Duration,
    new: &NewTopic<'_>,
) -> Result<Listed, Failure> {
    let config = |p: &Property| CreatableTopicConfig {
        name: p.name.as_str().into(),
        value: Some(p.value.as_str().into()),
    };
    let topic = CreatableTopic {
        name: new.name.into(),
        num_partitions: new.partitions.unwrap_or(-1),
        replication_factor: new.replication_factor.unwrap_or(-1),
        configs: new.config.iter().map(config).collect(),
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: millis(timeout),
        ..CreateTopicsRequest::default()
    };
    let doing = format!("making topic {}", new.name);
    let answer = client.request_controller(request).await?;
    let made = answer.topics.first().ok_or_else(|| unanswered(&doing))?;
    if !made.error_code.is_ok() {
        return Err(refused(
            &doing,
            made.error_code,
            made.error_message.as_deref(),
        ));
    }
    Ok(Listed {
        name: new.name.to_owned(),
        partitions: made.num_partitions.into(),
        replication_factor: made.replication_factor.into(),
    })
}

/// Deletes a topic.
pub(crate) async fn remove(client: &Client, timeout: Duration, name: &str) -> Result<(), Failure> {
    let doing = format!("deleting topic {name}");
    let answer = ask_to_delete(client, timeout, name).await?;
    let deleted = answer.responses.first().ok_or_else(|| unanswered(&doing))?;
    if !deleted.error_code.is_ok() {
        return Err(refused(
            &doing,
            deleted.error_code,
            deleted.error_message.as_deref(),
        ));
    }
    Ok(())
}

/// Brokers older than Kafka 2.8 know topics to delete by another field, so they are asked again.
async fn ask_to_delete(
    client: &Client,
    timeout: Duration,
    name: &str,
) -> ottla::Result<DeleteTopicsResponse> {
    let timeout_ms = millis(timeout);
    let state = DeleteTopicState {
        name: Some(name.into()),
        ..DeleteTopicState::default()
    };
    let topics = vec![state];
    let request = DeleteTopicsRequest {
        topics,
        timeout_ms,
        ..DeleteTopicsRequest::default()
    };
    match client.request_controller(request).await {
        Err(error) if matches!(error.kind(), ErrorKind::Encode(_)) => {
            let topic_names = vec![name.into()];
            let request = DeleteTopicsRequest {
                topic_names,
                timeout_ms,
                ..DeleteTopicsRequest::default()
            };
            client.request_controller(request).await
        }
        answer => answer,
    }
}

fn unanswered(doing: &str) -> Failure {
    Failure::Failed(format!("{doing}: the broker's answer is about no topic"))
}

fn name(topic: &MetadataTopic) -> &str {
    topic.name.as_deref().unwrap_or_default()
}

fn listed(topic: &MetadataTopic) -> Listed {
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let replicas = topic.partitions.iter().map(|p| p.replica_nodes.len());
    Listed {
        name: name(topic).to_owned(),
        partitions: count(topic.partitions.len()),
        replication_factor: count(replicas.max().unwrap_or(0)),
    }
}

fn print(topics: &[Listed]) -> Result<(), Failure> {
    let mut out = Output::stdout();
    let written = topics.iter().try_for_each(|topic| {
        let Listed {
            name,
            partitions,
            replication_factor,
        } = topic;
        out.put(|w| writeln!(w, "{name}\t{partitions}\t{replication_factor}"))
    });
    out.finish(written)
}

fn millis(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

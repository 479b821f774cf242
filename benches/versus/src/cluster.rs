//! The broker's side of a run: topics that come and go, and how much is in them.

use std::cell::Cell;

use ottla::{
    Client, Start,
    protocol::messages::{
        CreatableTopic, CreateTopicsRequest, DeleteTopicState, DeleteTopicsRequest,
    },
};
use tokio::runtime::{Builder, Runtime};

use crate::Outcome;

const TIMEOUT_MS: i32 = 20_000;

/// A connection to it, of our own client.
pub struct Cluster {
    runtime: Runtime,
    client: Client,
    pub bootstrap: String,
    topics: Cell<u32>,
}

impl Cluster {
    pub fn connect(bootstrap: &str) -> Outcome<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(Client::builder(bootstrap).connect())?;
        Ok(Self {
            runtime,
            client,
            bootstrap: bootstrap.into(),
            topics: Cell::new(0),
        })
    }

    /// A new topic; returns its name once all partitions have a leader, so that no peer has to wait
    /// for that.
    pub fn create(&self, partitions: i32) -> Outcome<String> {
        self.topics.set(self.topics.get() + 1);
        let name = format!("versus-{}-{}", std::process::id(), self.topics.get());
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: name.as_str().into(),
                num_partitions: partitions,
                replication_factor: -1,
                ..CreatableTopic::default()
            }],
            timeout_ms: TIMEOUT_MS,
            ..CreateTopicsRequest::default()
        };
        let answer = self
            .runtime
            .block_on(self.client.request_controller(request))?;
        for topic in answer.topics {
            if !topic.error_code.is_ok() {
                return Err(format!("creating {name}: {}", topic.error_code).into());
            }
        }
        self.expect_records(&name, partitions, 0)?;
        Ok(name)
    }

    pub fn delete(&self, name: &str) -> Outcome<()> {
        let request = DeleteTopicsRequest {
            topics: vec![DeleteTopicState {
                name: Some(name.into()),
                ..DeleteTopicState::default()
            }],
            timeout_ms: TIMEOUT_MS,
            ..DeleteTopicsRequest::default()
        };
        let answer = self
            .runtime
            .block_on(self.client.request_controller(request))?;
        for topic in answer.responses {
            if !topic.error_code.is_ok() {
                return Err(format!("deleting {name}: {}", topic.error_code).into());
            }
        }
        Ok(())
    }

    /// An error unless the topic holds this many records.
    pub fn expect_records(&self, topic: &str, partitions: i32, wanted: u64) -> Outcome<()> {
        let held: i64 = self.ends(topic, partitions)?.iter().sum();
        if held != wanted as i64 {
            return Err(format!("the topic holds {held} records, and {wanted} were sent").into());
        }
        Ok(())
    }

    /// The end offset of each partition.
    pub fn ends(&self, topic: &str, partitions: i32) -> Outcome<Vec<i64>> {
        let end = |partition| {
            let end = self.client.offset(topic, partition, Start::Latest);
            Ok(self.runtime.block_on(end)?)
        };
        (0..partitions).map(end).collect()
    }
}

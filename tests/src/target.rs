//! Clusters that behaviours run on.

use std::{
    future::Future,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use ottla::{
    Client, ClientBuilder,
    protocol::{
        ErrorCode,
        messages::{
            CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, DeleteTopicState,
            DeleteTopicsRequest,
        },
    },
};
use ottla_broker::Cluster;

use crate::Kafka;

/// A cluster, and how it is reached.
#[derive(Debug, Clone)]
pub struct Target {
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Embedded(Cluster),
    InMemory(Cluster),
    Real(Kafka),
}

/// No behaviour takes as long as this, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a behaviour, and fails it when it hangs.
pub async fn patient<T>(behaviour: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, behaviour)
        .await
        .expect("the behaviour does not hang")
}

impl Target {
    /// An embedded cluster on ports of its own.
    pub async fn embedded(brokers: i32) -> Self {
        let cluster = Cluster::builder().brokers(brokers).start().await;
        Self::of(cluster.expect("an embedded cluster starts"))
    }

    /// An embedded cluster without ports.
    pub async fn in_memory(brokers: i32) -> Self {
        let builder = Cluster::builder().brokers(brokers).in_memory();
        let cluster = builder.start().await.expect("an embedded cluster starts");
        Self {
            kind: Kind::InMemory(cluster),
        }
    }

    /// An embedded cluster that a test has set up itself, reached over its ports.
    #[must_use]
    pub const fn of(cluster: Cluster) -> Self {
        Self {
            kind: Kind::Embedded(cluster),
        }
    }

    /// An embedded cluster in memory that a test has set up itself.
    #[must_use]
    pub const fn in_memory_of(cluster: Cluster) -> Self {
        Self {
            kind: Kind::InMemory(cluster),
        }
    }

    /// Real Kafka, where there is one.
    #[must_use]
    pub fn real() -> Option<Self> {
        let kind = Kind::Real(Kafka::given()?);
        Some(Self { kind })
    }

    /// Kafka that a test has started itself.
    #[must_use]
    pub const fn of_kafka(kafka: Kafka) -> Self {
        Self {
            kind: Kind::Real(kafka),
        }
    }

    /// Its bootstrap servers.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        match &self.kind {
            Kind::Embedded(cluster) | Kind::InMemory(cluster) => cluster.bootstrap(),
            Kind::Real(kafka) => kafka.bootstrap(),
        }
    }

    /// A client that is still to be connected.
    pub fn client_builder(&self) -> ClientBuilder {
        let builder = Client::builder(self.bootstrap()).api_timeout(Duration::from_secs(20));
        match &self.kind {
            Kind::InMemory(cluster) => {
                let cluster = cluster.clone();
                builder.connect_with(move |host: &str, port| cluster.connect(host, port))
            }
            _ => builder,
        }
    }

    /// A client.
    pub async fn client(&self) -> Client {
        let client = self.client_builder().connect().await;
        client.expect("the cluster is reached")
    }

    /// A fresh topic, and a client that knows it.
    pub async fn topic(&self, partitions: i32) -> (Client, String) {
        self.topic_with(partitions, &[]).await
    }

    /// A fresh topic with settings of its own, and a client that knows it.
    pub async fn topic_with(&self, partitions: i32, configs: &[(&str, &str)]) -> (Client, String) {
        let client = self.client().await;
        let name = fresh_name();
        create(&client, &name, partitions, configs).await;
        client.topic(&name).await.expect("it was just created");
        (client, name)
    }
}

/// A name that no other test has, nor another run on the same cluster.
fn fresh_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("it is after 1970").as_nanos();
    format!("test-{now:x}-{n}")
}

/// Creates a topic.
pub async fn create(client: &Client, name: &str, partitions: i32, configs: &[(&str, &str)]) {
    let code = try_create(client, name, partitions, configs).await;
    assert!(code.is_ok(), "{name}: {code}");
}

/// Deletes a topic and creates it again, with one partition.
pub async fn recreate(client: &Client, name: &str) {
    delete(client, name).await;
    loop {
        match try_create(client, name, 1, &[]).await {
            ErrorCode::NONE => return,
            // A topic that is being deleted still exists for a moment.
            ErrorCode::TOPIC_ALREADY_EXISTS => tokio::task::yield_now().await,
            other => panic!("{name}: {other}"),
        }
    }
}

async fn try_create(
    client: &Client,
    name: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> ErrorCode {
    let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
        name: (*name).into(),
        value: Some((*value).into()),
    };
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: -1,
            configs: configs.iter().map(config).collect(),
            ..CreatableTopic::default()
        }],
        timeout_ms: 20_000,
        ..CreateTopicsRequest::default()
    };
    let answer = client.request_controller(request).await;
    let answer = answer.expect("the controller answers").topics;
    answer.first().expect("it answers for the topic").error_code
}

/// Deletes a topic.
pub async fn delete(client: &Client, name: &str) {
    let request = DeleteTopicsRequest {
        topics: vec![DeleteTopicState {
            name: Some(name.into()),
            ..DeleteTopicState::default()
        }],
        timeout_ms: 20_000,
        ..DeleteTopicsRequest::default()
    };
    let answer = client.request_controller(request).await;
    for topic in answer.expect("the controller answers").responses {
        assert!(topic.error_code.is_ok(), "{name}: {}", topic.error_code);
    }
}

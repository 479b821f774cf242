//! How a cluster is started.

use std::sync::Arc;

use ottla_protocol::messages::{CreatableTopic, CreatableTopicConfig};
use tokio::net::TcpListener;

use crate::{
    brokers::Broker,
    cluster::Cluster,
    error::{Error, ErrorKind},
    listener,
    settings::Settings,
    state::Shared,
};

/// The port of every broker that has no socket; their names tell them apart.
const PIPE_PORT: u16 = 9092;

/// How brokers are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp,
    Memory,
}

/// A cluster to be started: one broker with no topics, on a free port of 127.0.0.1, unless said
/// otherwise.
#[derive(Debug, Clone)]
pub struct ClusterBuilder {
    brokers: i32,
    transport: Transport,
    settings: Vec<(String, String)>,
    topics: Vec<CreatableTopic>,
}

impl Default for ClusterBuilder {
    fn default() -> Self {
        Self {
            brokers: 1,
            transport: Transport::Tcp,
            settings: Vec::new(),
            topics: Vec::new(),
        }
    }
}

impl ClusterBuilder {
    /// How many brokers there are, with ids from 1; one, if nothing is said.
    #[must_use]
    pub const fn brokers(mut self, count: i32) -> Self {
        self.brokers = count;
        self
    }

    /// Without sockets: clients come through [`Cluster::connect`], to `broker-1:9092` and so on.
    #[must_use]
    pub const fn in_memory(mut self) -> Self {
        self.transport = Transport::Memory;
        self
    }

    /// A setting of the brokers by Kafka's name, with Kafka's default. The exception is
    /// `default.replication.factor`, which is 3, or as many as there are brokers. A name or value
    /// that is not known is an error of [`start`](Self::start).
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A topic that is there from the start.
    #[must_use]
    pub fn topic(self, name: &str, partitions: i32) -> Self {
        self.topic_with(name, partitions, &[])
    }

    /// A topic with a configuration of its own, such as `("max.message.bytes", "1000")`.
    #[must_use]
    pub fn topic_with(mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Self {
        self.topics.push(creatable(name, partitions, configs));
        self
    }

    /// Starts the brokers and makes the topics.
    ///
    /// # Errors
    /// When a setting or a topic is not as Kafka would have it, or no port can be opened.
    pub async fn start(self) -> Result<Cluster, Error> {
        let wrong = |what| Error::new(ErrorKind::Setting(what), "starting a cluster");
        if self.brokers < 1 {
            return Err(wrong(format!("{} brokers are none", self.brokers)));
        }
        let settings = Settings::new(&self.settings, self.brokers).map_err(wrong)?;
        let cluster = Cluster::new(Shared::new(settings));
        for id in 1..=self.brokers {
            let (broker, listener) = self.transport.open(id).await?;
            cluster.shared().state().brokers.insert(id, broker);
            run(cluster.shared(), id, listener);
        }
        for topic in self.topics {
            cluster.create(topic)?;
        }
        Ok(cluster)
    }
}

impl Transport {
    /// A broker that does not run yet, and its socket where it has one.
    async fn open(self, id: i32) -> Result<(Broker, Option<TcpListener>), Error> {
        let listener = match self {
            Self::Tcp => Some(bind(id, 0).await?),
            Self::Memory => None,
        };
        let (host, port) = match &listener {
            Some(listener) => {
                let address = listener.local_addr().map_err(|e| io_error(e, id))?;
                (address.ip().to_string(), address.port())
            }
            None => (format!("broker-{id}"), PIPE_PORT),
        };
        let broker = Broker {
            id,
            host: host.into(),
            port,
            running: None,
            has_socket: self == Self::Tcp,
        };
        Ok((broker, listener))
    }
}

/// Opens the port of a broker; 0 is any.
pub(crate) async fn bind(broker: i32, port: u16) -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await;
    listener.map_err(|e| io_error(e, broker))
}

fn io_error(error: std::io::Error, broker: i32) -> Error {
    Error::new(ErrorKind::Io(error), format!("starting broker {broker}"))
}

/// Lets a broker run.
pub(crate) fn run(shared: &Arc<Shared>, broker: i32, listener: Option<TcpListener>) {
    let mut state = shared.state();
    let Some(entry) = state.brokers.get_mut(&broker) else {
        return;
    };
    let running = entry.running.insert(tokio::sync::watch::Sender::new(()));
    if let Some(listener) = listener {
        listener::listen(listener, shared.clone(), broker, running.subscribe());
    }
    state.broker_started(broker);
}

/// A topic as a client would ask for it.
pub(crate) fn creatable(name: &str, partitions: i32, configs: &[(&str, &str)]) -> CreatableTopic {
    let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
        name: (*name).into(),
        value: Some((*value).into()),
    };
    CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: -1,
        configs: configs.iter().map(config).collect(),
        ..CreatableTopic::default()
    }
}

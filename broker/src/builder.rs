//! How a cluster is started.

use ottla_protocol::messages::CreatableTopic;

use crate::{
    cluster::Cluster,
    error::{Error, ErrorKind},
    settings::Settings,
    starting::{Transport, creatable, run},
    state::Shared,
};

/// A cluster to be started: one broker with no topics, on a free port of 127.0.0.1, unless said
/// otherwise.
#[derive(Debug, Clone)]
pub struct ClusterBuilder {
    brokers: i32,
    transport: Transport,
    settings: Vec<(String, String)>,
    topics: Vec<CreatableTopic>,
    cluster_id: Option<String>,
}

impl Cluster {
    /// A cluster to be started.
    #[must_use]
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }
}

impl Default for ClusterBuilder {
    fn default() -> Self {
        Self {
            brokers: 1,
            transport: Transport::Tcp,
            settings: Vec::new(),
            topics: Vec::new(),
            cluster_id: None,
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

    /// What the cluster calls itself (`cluster.id`). All embedded clusters have the same id unless it is
    /// set; two with different ids show what a client does when an address changes hands.
    #[must_use]
    pub fn cluster_id(mut self, id: &str) -> Self {
        self.cluster_id = Some(id.to_owned());
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
        let cluster = Cluster::new(Shared::new(settings, self.cluster_id));
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

//! The client: connections, metadata, and any request to any broker.

use std::{sync::Arc, time::Duration};

use ottla_core::{
    backoff::{Attempts, Backoff},
    cluster::Topology,
};
use ottla_protocol::wire::Request;
use tokio::time::Instant;

use crate::{
    builder::{ClientBuilder, Settings},
    error::{Error, ErrorKind, Result},
    metadata::{Metadata, Wish},
    net::{
        link::{Address, Link},
        pool::{Brokers, Use},
    },
    seeds::Seeds,
};

/// A connection to a Kafka cluster, shared by producers, consumers and single requests. Clones are
/// the same client; when the last one and everything made from it is dropped, its connections close
/// and its tasks end.
///
/// ```no_run
/// # async fn example() -> ottla::Result<()> {
/// let client = ottla::Client::builder("localhost:9092").connect().await?;
/// for broker in client.topology().brokers.values() {
///     println!("{} is at {}:{}", broker.id, broker.host, broker.port);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

/// What a client holds; see [`Client::counts`].
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Connections, open or to be opened.
    pub links: usize,
    /// Topics that are in use.
    pub leases: usize,
}

struct Shared {
    settings: Settings,
    metadata: Metadata,
    brokers: Arc<Brokers>,
}

impl Client {
    /// A client of the cluster that these servers belong to: `host:port`, several separated by
    /// commas (`bootstrap.servers`).
    pub fn builder(bootstrap: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(bootstrap.into())
    }

    pub(crate) fn new(settings: Settings, metadata: Metadata, brokers: Arc<Brokers>) -> Self {
        Self {
            shared: Arc::new(Shared {
                settings,
                metadata,
                brokers,
            }),
        }
    }

    /// What is known of the cluster now: brokers, and the topics in use.
    #[must_use]
    pub fn topology(&self) -> Arc<Topology> {
        self.shared.metadata.topology()
    }

    /// Asks any broker, and another one when it cannot be reached.
    ///
    /// Dropping the future does not take a request back that is on the wire.
    ///
    /// # Errors
    /// When no broker answers in time, or the one that does speaks no common version. What the
    /// broker says in the response's own error codes is for the caller to read.
    ///
    /// ```no_run
    /// # async fn example(client: ottla::Client) -> ottla::Result<()> {
    /// use ottla::protocol::messages::ListGroupsRequest;
    /// let groups = client.request(ListGroupsRequest::default()).await?.groups;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn request<R: Request + Sync>(&self, request: R) -> Result<R::Response> {
        self.routed(request, "any broker", |topology, turn| {
            let mut ids: Vec<_> = topology.brokers.keys().copied().collect();
            ids.sort_unstable();
            ids.get(turn % ids.len().max(1)).copied()
        })
        .await
    }

    /// Asks the controller, or the broker that speaks for it.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn request_controller<R: Request + Sync>(&self, request: R) -> Result<R::Response> {
        self.routed(request, "the controller", |topology, _| {
            Some(topology.controller_id).filter(|id| topology.brokers.contains_key(id))
        })
        .await
    }

    /// Asks one broker by its node id.
    ///
    /// # Errors
    /// As [`request`](Self::request); also when the cluster has no such broker.
    pub async fn request_broker<R: Request + Sync>(
        &self,
        broker: i32,
        request: R,
    ) -> Result<R::Response> {
        let whom = format!("broker {broker}");
        self.routed(request, &whom, |topology, _| {
            topology.brokers.contains_key(&broker).then_some(broker)
        })
        .await
    }

    /// Tries until a request was written or the time is up. What was written is not tried again
    /// here: only the caller knows whether that is safe (rule 6).
    async fn routed<R: Request + Sync>(
        &self,
        request: R,
        whom: &str,
        mut route: impl FnMut(&Topology, usize) -> Option<i32>,
    ) -> Result<R::Response> {
        let request = Arc::new(request);
        let deadline = self.deadline();
        let mut attempts = Attempts::new(self.shared.settings.seeds.next());
        let mut last = format!("nobody knows where {whom} is");
        for turn in 0.. {
            if let Some(broker) = route(&self.topology(), turn) {
                let timeout = self.shared.settings.request_timeout;
                let timeout = timeout.min(deadline.saturating_duration_since(Instant::now()));
                match self
                    .ask(broker, request.clone(), Use::General, timeout)
                    .await
                {
                    Err(error) if error.is_retriable() && !error.possibly_written() => {
                        last = error.to_string();
                    }
                    answer => return answer,
                }
            }
            self.shared.metadata.hint(Wish::Stale);
            let pause = attempts.delay(&self.shared.settings.retry_backoff);
            if Instant::now() + pause >= deadline {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        Err(self.overdue(&format!("{} to {whom}", R::NAME), Some(last)))
    }

    /// One attempt at one broker.
    pub(crate) async fn ask<R: Request + Sync>(
        &self,
        broker: i32,
        request: Arc<R>,
        purpose: Use,
        timeout: Duration,
    ) -> Result<R::Response> {
        self.link(broker, purpose)?
            .request(request, i16::MAX, timeout)
            .await
    }

    /// The connection to a broker for a use.
    pub(crate) fn link(&self, broker: i32, purpose: Use) -> Result<Arc<Link>> {
        let topology = self.topology();
        let Some(broker) = topology.brokers.get(&broker) else {
            let kind = ErrorKind::Connect("nobody knows where it is".into());
            return Err(Error::new(kind, format!("looking for broker {broker}")));
        };
        let address = Address::of(broker);
        if let Some(other) = self.shared.brokers.foreign(&address) {
            let doing = format!("connecting to broker {} at {address}", broker.id);
            return Err(Error::new(ErrorKind::OtherCluster(other), doing));
        }
        Ok(self.shared.brokers.link(&address, purpose))
    }

    /// What the client holds now, for tests that look for what is never let go.
    #[doc(hidden)]
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            links: self.shared.brokers.count(),
            leases: self.shared.metadata.leased(),
        }
    }

    pub(crate) fn brokers(&self) -> &Brokers {
        &self.shared.brokers
    }

    pub(crate) fn metadata(&self) -> &Metadata {
        &self.shared.metadata
    }

    pub(crate) fn metadata_max_age(&self) -> Duration {
        self.shared.settings.metadata_max_age
    }

    pub(crate) fn metadata_max_idle(&self) -> Duration {
        self.shared.settings.metadata_max_idle
    }

    pub(crate) fn retry_backoff(&self) -> Backoff {
        self.shared.settings.retry_backoff
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.shared.settings.request_timeout
    }

    pub(crate) fn seeds(&self) -> Seeds {
        self.shared.settings.seeds.clone()
    }

    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.shared.settings.api_timeout
    }

    pub(crate) fn overdue(&self, doing: &str, last: Option<String>) -> Error {
        let after_ms = self.shared.settings.api_timeout.as_millis();
        Error::new(ErrorKind::Timeout { after_ms, last }, doing)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}

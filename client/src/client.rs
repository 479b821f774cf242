//! The client: connections, metadata, and any request to any broker.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use ottla_core::{
    backoff::{Backoff, Random},
    cluster::Topology,
    routing::{CoordinatorType, Route},
};
use ottla_protocol::wire::Request;
use tokio::time::Instant;

use crate::{
    coordinators::Coordinators,
    error::{Error, ErrorKind, Result},
    metadata::Metadata,
    net::{address::Address, dialer::Use, link::Link, pool::Brokers},
    seeds::Seeds,
    settings::Settings,
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
    turn: AtomicUsize,
    coordinators: Coordinators,
}

impl Client {
    pub(crate) fn new(settings: Settings, metadata: Metadata, brokers: Arc<Brokers>) -> Self {
        // From a random broker on, so that clients which start together do not all ask the same one.
        let turn = AtomicUsize::new(Random(settings.seeds.peek()).bits() as usize);
        Self {
            shared: Arc::new(Shared {
                settings,
                metadata,
                brokers,
                turn,
                coordinators: Coordinators::default(),
            }),
        }
    }

    /// What is known of the cluster now: brokers, and the topics in use.
    #[must_use]
    pub fn topology(&self) -> Arc<Topology> {
        self.shared.metadata.topology()
    }

    /// Asks any broker, and another one when it cannot be reached. A request that changes nothing is also
    /// repeated when its answer is lost; of any other the caller is then told that it was
    /// [possibly written](crate::Error::possibly_written).
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
        self.call(self.call_to(Route::Any, request)).await
    }

    /// Asks the controller, or the broker that speaks for it.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn request_controller<R: Request + Sync>(&self, request: R) -> Result<R::Response> {
        self.call(self.call_to(Route::Controller, request)).await
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
        self.call(self.call_to(Route::Broker(broker), request))
            .await
    }

    /// Asks the coordinator of a group, a transactional id or a share group, which is looked up
    /// (FindCoordinator) and remembered. While it loads, it is asked again; when it has moved, it is
    /// looked up again.
    ///
    /// # Errors
    /// As [`request`](Self::request); also when no broker names the coordinator.
    ///
    /// ```no_run
    /// # async fn example(client: ottla::Client) -> ottla::Result<()> {
    /// use ottla::{CoordinatorType, protocol::messages::DescribeGroupsRequest};
    /// let request = DescribeGroupsRequest { groups: vec!["billing".into()], ..Default::default() };
    /// let group = client.request_coordinator(CoordinatorType::Group, "billing", request).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn request_coordinator<R: Request + Sync>(
        &self,
        kind: CoordinatorType,
        key: &str,
        request: R,
    ) -> Result<R::Response> {
        let route = Route::Coordinator(kind, key.into());
        let mut call = self.call_to(route, request);
        if call.purpose == Use::General {
            call.purpose = Use::Coordinator;
        }
        self.call(call).await
    }

    /// One attempt at one broker.
    pub(crate) async fn ask<R: Request + Sync>(
        &self,
        broker: i32,
        request: Arc<R>,
        purpose: Use,
        cap: i16,
        timeout: Duration,
    ) -> Result<R::Response> {
        let asked = async {
            let link = self.link(broker, purpose)?;
            link.request(request, cap, timeout).await
        };
        asked.await.map_err(|error| error.at_broker(broker))
    }

    /// The connection to a broker for a use.
    pub(crate) fn link(&self, broker: i32, purpose: Use) -> Result<Arc<Link>> {
        let topology = self.topology();
        let Some(broker) = topology.brokers.get(&broker) else {
            let doing = format!("looking for broker {broker}");
            return Err(Error::new(ErrorKind::NoSuchBroker, doing).at_broker(broker));
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

    pub(crate) fn max_frame(&self) -> usize {
        self.shared.settings.max_frame
    }

    pub(crate) fn metadata_max_age(&self) -> Duration {
        self.shared.settings.metadata_max_age
    }

    pub(crate) fn metadata_max_idle(&self) -> Duration {
        self.shared.settings.metadata_max_idle
    }

    pub(crate) fn retry_backoff(&self) -> Backoff {
        self.shared.settings.retry_backoff()
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

    /// How long one request may take that is to be answered by a deadline.
    pub(crate) fn time_for_one(&self, deadline: Instant) -> Duration {
        let left = deadline.saturating_duration_since(Instant::now());
        self.request_timeout().min(left)
    }

    pub(crate) fn overdue(&self, doing: &str, last: &Error) -> Error {
        let after_ms = self.shared.settings.api_timeout.as_millis();
        let kind = ErrorKind::Timeout {
            after_ms,
            // Whether it may have been applied is said once, at the end.
            last: Some(last.cause()),
        };
        let error = if last.possibly_written() {
            Error::unsure(kind, doing)
        } else {
            Error::new(kind, doing)
        };
        match last.broker() {
            Some(broker) => error.at_broker(broker),
            None => error,
        }
    }

    /// Counts the turns of the brokers that are asked for what any of them can answer.
    pub(crate) fn turn(&self) -> &AtomicUsize {
        &self.shared.turn
    }

    pub(crate) fn coordinators(&self) -> &Coordinators {
        &self.shared.coordinators
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}

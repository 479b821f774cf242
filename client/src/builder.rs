//! The builder of a client: its settings, and how it connects.

use std::{fmt, sync::Arc, time::Duration};

use ottla_core::{
    backoff::Random,
    cluster::{self, Cluster},
    connection::FramePool,
};
use tokio::time::Instant;

use crate::{
    client::Client,
    error::{Error, Result},
    metadata::Metadata,
    net::{address::Address, connect::Connect, dial::Tcp, dialer::Dialer, pool::Brokers},
    seeds::Seeds,
    settings::{self, Settings, bounded},
};

/// Collects settings and connects.
#[must_use = "a builder does nothing until it connects"]
pub struct ClientBuilder {
    pub(crate) settings: Settings,
    /// The first setting that is wrong, for the end.
    wrong: Option<Error>,
    connect: Arc<dyn Connect>,
}

impl Client {
    /// A client of the cluster that these servers belong to: `host:port`, several separated by
    /// commas (`bootstrap.servers`). The port is 9092 where none is given.
    pub fn builder(bootstrap: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(bootstrap.into())
    }
}

impl ClientBuilder {
    pub(crate) fn new(bootstrap: String) -> Self {
        Self {
            settings: Settings {
                bootstrap: bootstrap.into(),
                ..Settings::default()
            },
            wrong: None,
            connect: Arc::new(Tcp),
        }
    }

    /// `client.id`: what brokers call this client in logs, metrics and quotas. Default `ottla`.
    pub fn client_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.settings.client_id = Some(id.into());
        self
    }

    /// `request.timeout.ms`: how long one request may take on one connection. Default 30 s.
    /// At most 2147483647 ms.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.settings.request_timeout = bounded(timeout);
        self
    }

    /// `default.api.timeout.ms`: how long a call may take with all its attempts, [`connect`](Self::connect)
    /// included. Default 60 s.
    /// At most 2147483647 ms.
    pub fn api_timeout(mut self, timeout: Duration) -> Self {
        self.settings.api_timeout = bounded(timeout);
        self
    }

    /// How connections are made. Default [`Tcp`].
    pub fn connect_with(mut self, connect: impl Connect) -> Self {
        self.connect = Arc::new(connect);
        self
    }

    /// Draws jitter, and what else is left to chance, from this seed, so that a simulation can be
    /// repeated. Not for production: clients with the same seed come back at the same time.
    #[doc(hidden)]
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seeds = Seeds::from(seed);
        self
    }

    /// Sets a client setting by its Kafka name. One that is wrong is told by
    /// [`connect`](Self::connect), before anything connects: the first of them with
    /// [`UnknownSetting`](crate::ErrorKind::UnknownSetting) when there is no such setting of a client, or
    /// [`Config`](crate::ErrorKind::Config) when the value is malformed.
    ///
    #[doc = include_str!("settings/client.md")]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        if let Err(error) = self.settings.set(name, value) {
            self.wrong.get_or_insert(error);
        }
        self
    }

    /// Connects: done when a broker has said what the cluster consists of.
    ///
    /// Must be called on a tokio runtime with time enabled. Dropping the future gives up and closes
    /// what was opened.
    ///
    /// # Errors
    /// When a bootstrap address is malformed, or no broker answers within
    /// [`api_timeout`](Self::api_timeout); the error then says what was wrong with the last one tried.
    pub async fn connect(self) -> Result<Client> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        let settings = self.settings;
        let bootstrap = addresses(&settings.bootstrap)?;
        let dialer = Dialer {
            connect: self.connect,
            client_id: settings.client_id.clone(),
            setup_timeout: settings.setup_timeout,
            max_idle: settings.connections_max_idle,
            backoff: settings.reconnect_backoff(),
            max_frame: settings.max_frame,
            frames: FramePool::default(),
            seeds: settings.seeds.clone(),
            checks_cluster: settings.checks_cluster,
        };
        let brokers = Arc::new(Brokers::new(dialer));
        let now = Instant::now().into_std();
        let how = cluster::Settings {
            max_age: settings.metadata_max_age,
            max_idle: settings.metadata_max_idle,
            backoff: settings.retry_backoff(),
        };
        let cluster = Cluster::new(now, how, settings.seeds.next());
        let timeout = settings.request_timeout.min(settings.api_timeout);
        let auto_create = settings.auto_create;
        let metadata = Metadata::new(
            cluster,
            bootstrap,
            brokers.clone(),
            timeout,
            auto_create,
            Random(settings.seeds.next()),
        );
        let servers = settings.bootstrap.clone();
        let client = Client::new(settings, metadata, brokers);
        client.wait_until_connected(&servers).await?;
        Ok(client)
    }
}

/// Where brokers listen by default, also for librdkafka and franz-go.
const DEFAULT_PORT: u16 = 9092;

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("bootstrap", &self.settings.bootstrap)
            .field("client_id", &self.settings.client_id)
            .finish_non_exhaustive()
    }
}

/// `host:port`, several separated by commas; `[::1]:9092` for IPv6.
fn addresses(bootstrap: &str) -> Result<Vec<Address>> {
    let parts = bootstrap
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let seeds = parts.map(address).collect::<Result<Vec<_>>>()?;
    if seeds.is_empty() {
        return Err(Error::config(
            "bootstrap.servers names no server; give HOST:PORT",
        ));
    }
    Ok(seeds)
}

fn address(text: &str) -> Result<Address> {
    let malformed = || settings::malformed("bootstrap.servers", text, "HOST:PORT");
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port = match port {
        None => DEFAULT_PORT,
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(malformed)?,
    };
    let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host = bracketed.unwrap_or(host);
    if host.is_empty() || (bracketed.is_none() && host.contains(':')) {
        return Err(malformed());
    }
    Ok(Address {
        host: host.into(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::io::DuplexStream;

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn bootstrap_servers_are_read_as_people_write_them() {
        let read = |text: &str| {
            let seeds = addresses(text).expect("it is well-formed");
            seeds.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(read("a:1, b.c:9092,"), ["a:1", "b.c:9092"]);
        assert_eq!(read("[::1]:9092"), ["[::1]:9092"]);
        assert_eq!(read("a,[::1]"), ["a:9092", "[::1]:9092"]);
    }

    #[test]
    fn malformed_bootstrap_servers_are_named() {
        for text in [
            "", "a:", "::1", "a:0", "a:70000", ":9092", "::1:9092", "http://a",
        ] {
            let error = addresses(text).expect_err(text).to_string();
            assert!(error.contains("bootstrap.servers"), "{error}");
        }
    }

    #[tokio::test]
    async fn settings_that_are_unknown_or_malformed_are_told_before_anything_connects() {
        let kind = async |name: &str, value: &str| {
            let connect =
                |_: &str, _| async { panic!("nothing connects") as io::Result<DuplexStream> };
            let builder = Client::builder("a:1").connect_with(connect);
            let builder = builder.set(name, value).set("request.timeout.ms", "100");
            let error = builder.connect().await.expect_err("it is wrong");
            error.kind().clone()
        };
        let acks = kind("acks", "1").await;
        assert!(matches!(acks, ErrorKind::UnknownSetting(_)), "{acks:?}");
        for value in ["3000000000", "soon", "0", "-1"] {
            let timeout = kind("request.timeout.ms", value).await;
            assert!(matches!(timeout, ErrorKind::Config(_)), "{timeout:?}");
        }
        let near = kind("request.timout.ms", "100").await;
        assert!(
            near.to_string()
                .contains("did you mean request.timeout.ms?"),
            "{near}"
        );
    }
}

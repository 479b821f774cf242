//! The builder of a client: its settings, and how it connects.

use std::{sync::Arc, time::Duration};

use ottla_core::{
    backoff::{Backoff, Random},
    cluster::{self, Cluster},
};
use tokio::time::Instant;

use crate::{
    client::Client,
    error::{Error, Result},
    metadata::Metadata,
    net::{address::Address, connect::Connect, dial::Tcp, dialer::Dialer, pool::Brokers},
    seeds::Seeds,
    settings::{self, Settings, boolean, bounded, millis, number},
};

/// Collects settings and connects.
#[must_use = "a builder does nothing until it connects"]
pub struct ClientBuilder {
    bootstrap: String,
    settings: Settings,
    connect: Arc<dyn Connect>,
}

impl Client {
    /// A client of the cluster that these servers belong to: `host:port`, several separated by
    /// commas (`bootstrap.servers`).
    pub fn builder(bootstrap: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(bootstrap.into())
    }
}

impl ClientBuilder {
    pub(crate) fn new(bootstrap: String) -> Self {
        Self {
            bootstrap,
            settings: Settings {
                client_id: Some("ottla".into()),
                request_timeout: Duration::from_secs(30),
                api_timeout: Duration::from_secs(60),
                setup_timeout: Duration::from_secs(10),
                connections_max_idle: Duration::from_secs(540),
                reconnect_backoff: Backoff::RECONNECT,
                retry_backoff: Backoff::RETRY,
                metadata_max_age: Duration::from_secs(300),
                metadata_max_idle: Duration::from_secs(300),
                max_frame: ottla_core::connection::MAX_FRAME,
                auto_create: false,
                checks_cluster: true,
                seeds: Seeds::default(),
            },
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

    /// Sets a client setting by its Kafka name.
    ///
    /// | name | default |
    /// |---|---|
    /// | `bootstrap.servers` | as given to [`Client::builder`] |
    /// | `client.id` | `ottla` |
    /// | `request.timeout.ms` | 30000 |
    /// | `default.api.timeout.ms` | 60000 |
    /// | `socket.connection.setup.timeout.ms` | 10000 |
    /// | `connections.max.idle.ms` | 540000; brokers close connections that are idle for 600000 |
    /// | `reconnect.backoff.ms`, `reconnect.backoff.max.ms` | 50, 1000 |
    /// | `retry.backoff.ms`, `retry.backoff.max.ms` | 100, 1000 |
    /// | `metadata.max.age.ms` | 300000 |
    /// | `metadata.max.idle.ms` | 300000 |
    /// | `receive.message.max.bytes` | 104857600 |
    /// | `allow.auto.create.topics` | false |
    /// | `metadata.cluster.check.enable` | true; brokers from 4.4 on check that they are meant (KIP-1242) |
    ///
    /// # Errors
    /// [`UnknownSetting`](crate::ErrorKind::UnknownSetting) when the name is none of these,
    /// [`Config`](crate::ErrorKind::Config) when the value is malformed.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let s = &mut self.settings;
        match name {
            "bootstrap.servers" => value.clone_into(&mut self.bootstrap),
            "client.id" => s.client_id = Some(value.into()),
            "request.timeout.ms" => s.request_timeout = millis(name, value)?,
            "default.api.timeout.ms" => s.api_timeout = millis(name, value)?,
            "socket.connection.setup.timeout.ms" => s.setup_timeout = millis(name, value)?,
            "connections.max.idle.ms" => s.connections_max_idle = millis(name, value)?,
            "reconnect.backoff.ms" => s.reconnect_backoff.first = millis(name, value)?,
            "reconnect.backoff.max.ms" => s.reconnect_backoff.longest = millis(name, value)?,
            "retry.backoff.ms" => s.retry_backoff.first = millis(name, value)?,
            "retry.backoff.max.ms" => s.retry_backoff.longest = millis(name, value)?,
            "metadata.max.idle.ms" => s.metadata_max_idle = millis(name, value)?,
            "metadata.max.age.ms" => s.metadata_max_age = millis(name, value)?,
            "receive.message.max.bytes" => s.max_frame = number(name, value)?,
            "metadata.cluster.check.enable" => s.checks_cluster = boolean(name, value)?,
            "allow.auto.create.topics" => s.auto_create = boolean(name, value)?,
            _ => return Err(settings::unknown(name, "client")),
        }
        Ok(())
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
        let bootstrap = addresses(&self.bootstrap)?;
        let settings = self.settings;
        let dialer = Dialer {
            connect: self.connect,
            client_id: settings.client_id.clone(),
            setup_timeout: settings.setup_timeout,
            max_idle: settings.connections_max_idle,
            backoff: settings.reconnect_backoff,
            max_frame: settings.max_frame,
            seeds: settings.seeds.clone(),
            checks_cluster: settings.checks_cluster,
        };
        let brokers = Arc::new(Brokers::new(dialer));
        let now = Instant::now().into_std();
        let how = cluster::Settings {
            max_age: settings.metadata_max_age,
            max_idle: settings.metadata_max_idle,
            backoff: settings.retry_backoff,
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
        let client = Client::new(settings, metadata, brokers);
        client.wait_until_connected(&self.bootstrap).await?;
        Ok(client)
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
    let (host, port) = text.rsplit_once(':').ok_or_else(malformed)?;
    let port = port
        .parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or_else(malformed)?;
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
    }

    #[test]
    fn malformed_bootstrap_servers_are_named() {
        for text in [
            "", "a", "a:", "a:0", "a:70000", ":9092", "::1:9092", "http://a",
        ] {
            let error = addresses(text).expect_err(text).to_string();
            assert!(error.contains("bootstrap.servers"), "{error}");
        }
    }

    #[test]
    fn settings_that_are_unknown_or_malformed_are_told_apart() {
        let mut builder = Client::builder("a:1");
        assert!(builder.set("request.timeout.ms", "100").is_ok());
        let kind = |e: Result<()>| e.expect_err("it is wrong").kind().clone();
        assert!(matches!(
            kind(builder.set("acks", "1")),
            ErrorKind::UnknownSetting(_)
        ));
        let too_long = builder.set("request.timeout.ms", "3000000000");
        assert!(matches!(kind(too_long), ErrorKind::Config(_)));
    }
}

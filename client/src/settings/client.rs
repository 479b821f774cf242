//! The settings of a client.

use std::{sync::Arc, time::Duration};

use ottla_core::{backoff::Backoff, connection::MAX_FRAME};

use super::settings;
use crate::seeds::Seeds;

settings! {
    /// The settings of a client; see [`ClientBuilder`](crate::ClientBuilder).
    pub(crate) struct Settings of "client" {
        /// Where the client finds the cluster: HOST:PORT, several separated by commas.
        bootstrap: Arc<str> = "".into(), "bootstrap.servers" | "metadata.broker.list", shown "as given";
        /// What brokers call this client in logs, metrics and quotas.
        client_id: Option<Arc<str>> = Some("ottla".into()), "client.id";
        /// How long one request may take on one connection.
        request_timeout: Duration = Duration::from_secs(30), "request.timeout.ms", in 1..;
        /// How long a call may take with all its attempts, connecting included.
        api_timeout: Duration = Duration::from_secs(60), "default.api.timeout.ms", in 1..;
        /// How long making one connection may take, until the broker has said which versions it speaks.
        setup_timeout: Duration = Duration::from_secs(10),
            "socket.connection.setup.timeout.ms" | "socket.connection.setup.timeout.max.ms", in 1..;
        /// When an idle connection is closed. Brokers close theirs after 600000.
        connections_max_idle: Duration = Duration::from_secs(540), "connections.max.idle.ms", in 1..;
        /// The first wait before a broker is connected to again; it doubles with each failure.
        reconnect_backoff_first: Duration = Backoff::RECONNECT.first, "reconnect.backoff.ms";
        /// The longest wait before a broker is connected to again.
        reconnect_backoff_longest: Duration = Backoff::RECONNECT.longest, "reconnect.backoff.max.ms";
        /// The first wait before a request is tried again; it doubles with each failure.
        retry_backoff_first: Duration = Backoff::RETRY.first, "retry.backoff.ms";
        /// The longest wait before a request is tried again.
        retry_backoff_longest: Duration = Backoff::RETRY.longest, "retry.backoff.max.ms";
        /// When metadata is looked up again although nothing changed, and how long a named replica is read from.
        metadata_max_age: Duration = Duration::from_secs(300),
            "metadata.max.age.ms" | "topic.metadata.refresh.interval.ms", in 1..;
        /// How long a topic is known after its last use.
        metadata_max_idle: Duration = Duration::from_secs(300), "metadata.max.idle.ms", in 1..;
        /// The largest answer that is taken, in bytes. More than `fetch.max.bytes`.
        max_frame: usize = MAX_FRAME, "receive.message.max.bytes", in 1000..;
        /// Whether brokers may create a topic that is asked for, where they have `auto.create.topics.enable`.
        auto_create: bool = false, "allow.auto.create.topics";
        /// Whether brokers from 4.4 on check that they are the one which is meant (KIP-1242).
        checks_cluster: bool = true, "metadata.cluster.check.enable";
        also {
            seeds: Seeds = Seeds::default();
        }
    }
}

impl Settings {
    pub(crate) const fn reconnect_backoff(&self) -> Backoff {
        Backoff {
            first: self.reconnect_backoff_first,
            longest: self.reconnect_backoff_longest,
        }
    }

    pub(crate) const fn retry_backoff(&self) -> Backoff {
        Backoff {
            first: self.retry_backoff_first,
            longest: self.retry_backoff_longest,
        }
    }
}

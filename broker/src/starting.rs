//! How a broker gets its address and begins to run.

use std::{net::SocketAddr, sync::Arc};

use ottla_protocol::messages::{CreatableTopic, CreatableTopicConfig};
use tokio::net::TcpListener;

use crate::{
    brokers::Broker,
    error::{Error, ErrorKind},
    listener,
    state::Shared,
};

/// The port of every broker that has no socket; their names tell them apart.
const PIPE_PORT: u16 = 9092;

/// How brokers are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Memory,
}

impl Transport {
    /// A broker that does not run yet, and its socket where it has one.
    pub(crate) async fn open(self, id: i32) -> Result<(Broker, Option<TcpListener>), Error> {
        let listener = match self {
            Self::Tcp => Some(bind(id, 0).await?),
            Self::Memory => None,
        };
        let mut broker = Broker {
            id,
            host: Arc::default(),
            port: PIPE_PORT,
            moves: 0,
            running: None,
            has_socket: self == Self::Tcp,
        };
        broker.readdress(listener.as_ref().map(|l| address(l, id)).transpose()?);
        Ok((broker, listener))
    }
}

/// Opens the port of a broker; 0 is any.
pub(crate) async fn bind(broker: i32, port: u16) -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await;
    listener.map_err(|e| io_error(e, broker))
}

/// Opens another port than the one that a broker had.
pub(crate) async fn bind_other(broker: i32, port: u16) -> Result<TcpListener, Error> {
    let listener = bind(broker, 0).await?;
    if address(&listener, broker)?.port() != port {
        return Ok(listener);
    }
    // The first is open yet, so this is another.
    bind(broker, 0).await
}

/// Where the clients of a broker find its socket.
pub(crate) fn address(listener: &TcpListener, broker: i32) -> Result<SocketAddr, Error> {
    listener.local_addr().map_err(|e| io_error(e, broker))
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

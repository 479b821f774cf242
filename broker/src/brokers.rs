//! The brokers: who they are, where they listen, and which of them run.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use ottla_protocol::messages::NodeEndpoint;
use tokio::sync::watch;

/// All brokers by id.
pub(crate) type Brokers = BTreeMap<i32, Broker>;

/// One broker.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) id: i32,
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    /// How many host names it has had, without a socket.
    pub(crate) moves: u32,
    /// Whether it listens on a port of its own, or is reached through pipes only.
    pub(crate) has_socket: bool,
    /// While it runs: its listener and its connections end with this.
    pub(crate) running: Option<watch::Sender<()>>,
}

impl Broker {
    pub(crate) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Takes the address of its socket, or a host name that it has not had.
    pub(crate) fn readdress(&mut self, socket: Option<SocketAddr>) {
        if let Some(address) = socket {
            self.host = address.ip().to_string().into();
            self.port = address.port();
            return;
        }
        let id = self.id;
        self.host = match self.moves {
            0 => format!("broker-{id}").into(),
            moves => format!("broker-{id}-{moves}").into(),
        };
        self.moves += 1;
    }

    /// Its rack (`broker.rack`): each broker has one of its own, `rack-1` and so on.
    pub(crate) fn rack(&self) -> Arc<str> {
        format!("rack-{}", self.id).into()
    }

    /// Where it lives, for a response that names it.
    pub(crate) fn endpoint(&self) -> NodeEndpoint {
        NodeEndpoint {
            node_id: self.id,
            host: self.host.clone(),
            port: self.port.into(),
            rack: Some(self.rack()),
        }
    }
}

//! Where a broker is.

use std::{fmt, sync::Arc};

use ottla_core::cluster::Broker;

/// A host and port, as bootstrap servers and brokers name them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address {
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
}

impl Address {
    /// The address that a broker advertises.
    pub(crate) fn of(broker: &Broker) -> Self {
        Self {
            host: broker.host.clone(),
            port: broker.port,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

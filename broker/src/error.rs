//! What the cluster refuses to the test that drives it.

use std::{fmt, io};

use ottla_protocol::{ErrorCode, records::RecordError};

/// What the cluster refused, and why.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    doing: String,
}

/// Why the cluster refused.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is unknown, or its value is none that it takes.
    Setting(String),
    /// There is no broker with this id.
    NoSuchBroker,
    /// The broker is stopped, or for what asks for a stopped one, running.
    BrokerState(&'static str),
    /// There is no such topic or partition.
    NoSuchPartition,
    /// What Kafka would answer to a client that asked for the same.
    Refused(ErrorCode, String),
    /// The bytes are no record batches.
    Records(RecordError),
    /// Batches that no log could hold; says why.
    Batches(&'static str),
    /// A listener could not be opened.
    Io(io::Error),
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, doing: impl Into<String>) -> Self {
        let doing = doing.into();
        Self { kind, doing }
    }

    /// Why it was refused.
    #[must_use]
    pub const fn kind(&self) -> &ErrorKind {
        &self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.doing)?;
        match &self.kind {
            ErrorKind::Setting(what) => f.write_str(what),
            ErrorKind::NoSuchBroker => f.write_str("there is no such broker"),
            ErrorKind::BrokerState(what) => f.write_str(what),
            ErrorKind::NoSuchPartition => f.write_str("there is no such topic or partition"),
            ErrorKind::Refused(code, message) => write!(f, "{code} ({message})"),
            ErrorKind::Records(_) => f.write_str("these are no record batches"),
            ErrorKind::Batches(why) => f.write_str(why),
            ErrorKind::Io(_) => f.write_str("the listener could not be opened"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            ErrorKind::Records(e) => Some(e),
            ErrorKind::Io(e) => Some(e),
            _ => None,
        }
    }
}

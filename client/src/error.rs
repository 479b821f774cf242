//! The one error type: what was being done, with what, and what may be done about it.

use std::{fmt, io, sync::Arc};

use ottla_core::{
    cluster::OtherCluster,
    connection::Fault,
    failure::{Failure, Unsendable},
    versions::VersionError,
};
use ottla_protocol::{
    ErrorCode,
    records::RecordError,
    wire::{DecodeError, EncodeError},
};

/// What went wrong, with what, and what may be done about it. Cheap to clone: one batch's error goes
/// to all of its records.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    /// What was being done, to which topic, partition or broker.
    doing: String,
    place: Place,
    /// What the broker said beside its code.
    message: Option<Arc<str>>,
    possibly_written: bool,
}

/// The topic, partition and broker that an error is about, as far as it is about any.
#[derive(Debug, Clone, Default)]
struct Place {
    topic: Option<Arc<str>>,
    partition: Option<i32>,
    broker: Option<i32>,
}

/// An error of the operating system, of a resolver or of a [`Connect`](crate::Connect). It derefs to
/// the [`io::Error`]; equal ones have the same kind and the same text.
#[derive(Debug, Clone)]
pub struct IoError(Arc<io::Error>);

impl std::ops::Deref for IoError {
    type Target = io::Error;

    fn deref(&self) -> &io::Error {
        &self.0
    }
}

impl PartialEq for IoError {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.to_string() == other.to_string()
    }
}

impl Eq for IoError {}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<io::Error> for IoError {
    fn from(error: io::Error) -> Self {
        Self(Arc::new(error))
    }
}

/// What kind of thing went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is malformed or contradicts another, or an argument is outside its range.
    Config(String),
    /// The partition is not assigned to the consumer: it cannot be sought in, paused or resumed.
    NotAssigned,
    /// Records that were sent before were not written, or may not be: so many since the last flush that
    /// told of any. Each [`Delivery`](crate::Delivery) has its own error.
    Unwritten {
        /// How many.
        records: u64,
        /// What was wrong with the first.
        first: String,
    },
    /// The consumer has no partition assigned, so that nothing can come.
    NothingAssigned,
    /// A partition was read to its end, at this offset (`enable.partition.eof`). More may come.
    PartitionEnd {
        /// The offset of the next record, once there is one.
        offset: i64,
    },
    /// There is no setting of this name.
    UnknownSetting(String),
    /// No connection could be made. Where all addresses of a name were tried, the text has the error
    /// of each.
    Connect(IoError),
    /// The cluster has no broker of this id, as far as the client knows now.
    NoSuchBroker,
    /// Another broker answers at the address than the one that is named here (KIP-1242): nothing was
    /// sent. Metadata is looked up again.
    Misrouted(String),
    /// A broker of another cluster answers at the address: nothing is sent there.
    OtherCluster(OtherCluster),
    /// The connection was lost, or given up.
    Disconnected(Fault),
    /// The socket failed.
    Io(IoError),
    /// It took longer than it may; says how long that is in milliseconds, and what was waited for.
    Timeout {
        /// The limit in milliseconds.
        after_ms: u128,
        /// The last thing that was wrong, if anything was.
        last: Option<String>,
    },
    /// The broker and this client have no version in common.
    Version(VersionError),
    /// A request cannot be written in the version that the broker speaks.
    Encode(EncodeError),
    /// An answer is not what it should be.
    Decode(DecodeError),
    /// A record batch is damaged.
    Records(RecordError),
    /// The broker refused, or the client found the same without asking; see [`Error::code`].
    Broker(ErrorCode),
    /// Other records of the same batch were refused with this code; this one was not written, and may
    /// be sent again (KIP-467).
    BatchRefused(ErrorCode),
    /// A record is larger than the limit.
    RecordTooLarge {
        /// The most it takes in bytes, batch header included, before compression.
        size: usize,
        /// The limit in bytes (`max.request.size`).
        limit: usize,
    },
    /// The topic does not have this partition.
    NoSuchPartition {
        /// How many it has.
        partitions: usize,
    },
    /// The buffer is full (`buffer.memory`), and waiting was not asked for.
    BufferFull,
    /// Nothing is known of the topic yet, and waiting was not asked for. It was asked for.
    TopicNotKnown,
    /// The producer, consumer or client was closed, or its runtime has ended.
    Closed {
        /// Which of them: `the producer`, `the consumer`, `the client`.
        what: &'static str,
    },
}

/// The result of nearly everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, doing: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            doing: doing.into(),
            place: Place::default(),
            message: None,
            possibly_written: false,
        }))
    }

    /// The same, when a broker may have acted on it.
    pub(crate) fn unsure(kind: ErrorKind, doing: impl Into<String>) -> Self {
        Self::new(kind, doing).with(|inner| inner.possibly_written = true)
    }

    /// A refusal with the words of the broker.
    pub(crate) fn refused(code: ErrorCode, message: Option<Arc<str>>, doing: String) -> Self {
        Self::new(ErrorKind::Broker(code), doing).with(|inner| inner.message = message)
    }

    /// The same, with words about it.
    pub(crate) fn saying(self, message: Option<Arc<str>>) -> Self {
        self.with(|inner| inner.message = message)
    }

    /// The same, about this topic.
    pub(crate) fn about_topic(self, topic: &Arc<str>) -> Self {
        self.with(|inner| inner.place.topic = Some(topic.clone()))
    }

    /// The same, about this partition.
    pub(crate) fn about(self, topic: &Arc<str>, partition: i32) -> Self {
        self.with(|inner| {
            inner.place.topic = Some(topic.clone());
            inner.place.partition = Some(partition);
        })
    }

    /// The same, where this broker was asked.
    pub(crate) fn at_broker(self, broker: i32) -> Self {
        self.with(|inner| inner.place.broker = Some(broker))
    }

    /// The same error for a request that changes nothing: the broker has applied nothing.
    pub(crate) fn of_reading(self) -> Self {
        self.with(|inner| inner.possibly_written = false)
    }

    /// The text without the remark that the broker may have applied the request, for another error that
    /// quotes this one and makes the remark itself.
    pub(crate) fn cause(&self) -> String {
        self.clone().of_reading().to_string()
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    pub(crate) fn answered(code: ErrorCode, doing: impl Into<String>) -> Self {
        Self::new(ErrorKind::Broker(code), doing)
    }

    /// An argument that is out of range, or contradicts another.
    pub(crate) fn argument(what: &dyn fmt::Display, doing: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config(what.to_string()), doing)
    }

    pub(crate) fn closed(what: &'static str, doing: impl Into<String>) -> Self {
        Self::new(ErrorKind::Closed { what }, doing)
    }

    pub(crate) fn config(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config(what.into()), "settings")
    }

    /// Whether the broker may be at another address by now: it could not be connected to, or did not
    /// answer. A connection that ends is made again first.
    pub(crate) fn doubts_address(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Connect(_)
                | ErrorKind::NoSuchBroker
                | ErrorKind::Misrouted(_)
                | ErrorKind::OtherCluster(_)
                | ErrorKind::Timeout { .. }
        )
    }

    /// What a machine needs to know of it.
    pub(crate) fn to_failure(&self) -> Failure {
        match self.kind() {
            ErrorKind::Broker(code) => Failure::Broker(*code),
            ErrorKind::Version(error) => Failure::Unsendable(Unsendable::Version(error.clone())),
            ErrorKind::Encode(error) => Failure::Unsendable(Unsendable::Encode(*error)),
            _ => Failure::Lost {
                possibly_written: self.possibly_written(),
            },
        }
    }

    /// What kind of error this is.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// What was being done, and to which topic, partition or broker.
    #[must_use]
    pub fn doing(&self) -> &str {
        &self.0.doing
    }

    /// The topic that it is about, where it is about one.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        self.0.place.topic.as_deref()
    }

    /// The partition of [`topic`](Self::topic) that it is about, where it is about one.
    #[must_use]
    pub fn partition(&self) -> Option<i32> {
        self.0.place.partition
    }

    /// The id of the broker that refused, or did not answer, where it is known.
    #[must_use]
    pub fn broker(&self) -> Option<i32> {
        self.0.place.broker
    }

    /// The broker's error code, where a broker refused.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self.kind() {
            ErrorKind::Broker(code) | ErrorKind::BatchRefused(code) => Some(*code),
            _ => None,
        }
    }

    /// What the broker said beside its code, if it said anything (KIP-467).
    #[must_use]
    pub fn broker_message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// Whether the same thing may work later while nothing is changed. Look at
    /// [`possibly_written`](Self::possibly_written) first: what was done may be done twice.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self.kind() {
            ErrorKind::Broker(code) => code.is_retriable(),
            // The same answer would be as large again.
            ErrorKind::Disconnected(Fault::TooLarge { .. }) => false,
            ErrorKind::Connect(_)
            | ErrorKind::NoSuchBroker
            | ErrorKind::Misrouted(_)
            | ErrorKind::OtherCluster(_)
            | ErrorKind::Disconnected(_)
            | ErrorKind::Io(_)
            | ErrorKind::Timeout { .. }
            | ErrorKind::BatchRefused(_)
            | ErrorKind::BufferFull
            | ErrorKind::TopicNotKnown => true,
            _ => false,
        }
    }

    /// Whether the producer, consumer or client it came from was closed, and is of no further use.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self.kind(), ErrorKind::Closed { .. })
    }

    /// Whether the outcome is unknown: the broker may have applied the request, and a record may be
    /// written.
    #[must_use]
    pub fn possibly_written(&self) -> bool {
        self.0.possibly_written
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.doing, self.0.kind)?;
        if let Some(message) = &self.0.message {
            write!(f, ": {message}")?;
        }
        if self.0.possibly_written {
            write!(f, " (outcome unknown: the broker may have applied it)")?;
        }
        Ok(())
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(what) | Self::UnknownSetting(what) => f.write_str(what),
            Self::NotAssigned => write!(f, "it is not assigned to this consumer"),
            Self::Unwritten { records, first } => {
                let records_were = if *records == 1 {
                    "record was"
                } else {
                    "records were"
                };
                write!(
                    f,
                    "{records} {records_were} not written; the first: {first}"
                )
            }
            Self::NothingAssigned => write!(f, "no partition is assigned; assign one first"),
            Self::PartitionEnd { offset } => write!(f, "the end is reached, at offset {offset}"),
            Self::Connect(what) => write!(f, "cannot connect: {what}"),
            Self::NoSuchBroker => write!(f, "the cluster has no such broker"),
            Self::Misrouted(meant) => write!(f, "another broker answers there than {meant}"),
            Self::OtherCluster(other) => write!(f, "{other}"),
            Self::Disconnected(fault) => write!(f, "{fault}"),
            Self::Io(what) => write!(f, "the connection failed: {what}"),
            Self::Timeout {
                after_ms,
                last: None,
            } => write!(f, "timed out after {after_ms} ms"),
            Self::Timeout {
                after_ms,
                last: Some(last),
            } => {
                write!(f, "timed out after {after_ms} ms; {last}")
            }
            Self::Version(e) => write!(f, "{e}"),
            Self::Encode(e) => write!(f, "the request cannot be written: {e}"),
            Self::Decode(e) => write!(f, "the answer cannot be read: {e}"),
            Self::Records(e) => write!(f, "{e}"),
            Self::Broker(code) => write!(f, "{code}"),
            Self::BatchRefused(code) => {
                write!(
                    f,
                    "not written, as other records of its batch were refused: {code}"
                )
            }
            Self::RecordTooLarge { size, limit } => write!(
                f,
                "the record takes {size} bytes, more than the {limit} that max.request.size allows"
            ),
            Self::NoSuchPartition { partitions } => {
                write!(f, "there is no such partition; the topic has {partitions}")
            }
            Self::BufferFull => write!(f, "the buffer is full (buffer.memory)"),
            Self::TopicNotKnown => write!(f, "the topic is not known yet; try again soon"),
            Self::Closed { what } => write!(f, "{what} is closed"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("doing", &self.0.doing)
            .field("kind", &self.0.kind)
            .field("place", &self.0.place)
            .field("message", &self.0.message)
            .field("possibly_written", &self.0.possibly_written)
            .finish()
    }
}

/// The text has every cause already, so there is no `source`: a reporter that prints the chain would
/// print it twice. The causes as values are in [`Error::kind`].
impl std::error::Error for Error {}

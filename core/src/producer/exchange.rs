//! What enters the machine and what leaves it.

use std::time::{Duration, Instant};

use ottla_protocol::{ErrorCode, records::ProducerStamp};

use crate::{backoff::Backoff, failure::Failure};

/// How a producer behaves; the names are those of the Java client's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `enable.idempotence`: sequence numbers keep a retry from writing twice.
    pub idempotent: bool,
    /// `max.in.flight.requests.per.connection`: requests per broker, and batches per partition.
    pub max_in_flight: usize,
    /// `max.request.size` in bytes: batches of several partitions share a request up to here.
    pub max_request_size: usize,
    /// `delivery.timeout.ms`: how long a batch may take from its first record to its answer.
    pub delivery_timeout: Duration,
    /// `topic.metadata.propagation.max.ms` of librdkafka: how long a topic may be unknown before its
    /// batches are given up.
    pub unknown_topic_timeout: Duration,
    /// `retry.backoff.ms` up to `retry.backoff.max.ms`.
    pub retry_backoff: Backoff,
}

/// Why there is no broker to send a partition's batches to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The partition has no leader now.
    Leader,
    /// A broker says that the cluster has no such topic or partition.
    Topic,
    /// Nothing is known of the topic, and no broker has said that it does not exist.
    Knowledge,
}

impl Missing {
    /// The error code that a broker answered with, if one did. Only such an answer makes a topic unknown
    /// (rule 39).
    pub(super) const fn error(self) -> Option<ErrorCode> {
        match self {
            Self::Leader => Some(ErrorCode::LEADER_NOT_AVAILABLE),
            Self::Topic => Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            Self::Knowledge => None,
        }
    }
}

/// A partition's place in the machine; small and stable as long as the machine lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub(super) usize);

/// One produce request that is, or was, on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub(super) u64);

/// A batch as it enters.
#[derive(Debug)]
pub struct Batch<B> {
    /// Whatever the caller needs to write it.
    pub payload: B,
    /// Its records; at least one.
    pub count: u32,
    /// About how many bytes it takes on the wire.
    pub size: usize,
    /// When its first record was appended: the delivery timeout runs from here.
    pub created: Instant,
}

/// A produce request to be written now.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// Comes back with the answer.
    pub id: RequestId,
    /// The broker that leads all of these partitions.
    pub broker: i32,
    /// One batch each of some partitions.
    pub batches: Vec<Sent>,
}

/// One batch of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its partition.
    pub slot: Slot,
    /// Which batch of the partition it is.
    pub batch: u64,
    /// What is to be stamped on it.
    pub stamp: ProducerStamp,
}

/// What a broker said about one partition of a produce request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Its error code.
    pub error: ErrorCode,
    /// The offset of the batch's first record; -1 where it is not known.
    pub base_offset: i64,
    /// The time of appending in milliseconds, -1 where the producer's timestamps stand.
    pub log_append_time: i64,
    /// Where the partition's log starts; -1 where it is not known.
    pub log_start_offset: i64,
}

/// How a batch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Written, once. The offset is -1 where the broker did not say it.
    Delivered {
        /// The offset of the first record.
        base_offset: i64,
        /// The time of appending in milliseconds, -1 where the producer's timestamps stand.
        log_append_time: i64,
    },
    /// The broker refused it, or it can never be sent.
    Refused {
        /// Why.
        error: Failure,
        /// Whether an earlier attempt, whose answer was lost, may have written it.
        possibly_written: bool,
    },
    /// Out of time.
    Expired {
        /// Whether a broker may have written it.
        possibly_written: bool,
        /// The last thing that was wrong.
        last_error: Option<Failure>,
    },
    /// The producer was closed or failed before the outcome was known.
    Aborted {
        /// Whether a broker may have written it.
        possibly_written: bool,
    },
}

/// Something that is worth a line in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// A broker assigned a producer id.
    Identified {
        /// The producer id.
        id: i64,
        /// Its epoch.
        epoch: i16,
    },
    /// Sequences start again under a new epoch, because of this partition.
    NewEpoch {
        /// The partition.
        slot: Slot,
        /// The epoch that is left.
        left: i16,
        /// Whether the broker did not recognise the sequence. Otherwise an outcome is unknown, or the
        /// topic was created again.
        unrecognised: bool,
    },
}

//! What enters the machine and what leaves it.

use std::{
    fmt,
    str::FromStr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ottla_protocol::ErrorCode;
use uuid::Uuid;

use crate::{backoff::Backoff, cluster::Topology};

/// Where reading starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The first offset the log still has.
    Earliest,
    /// The end: only what is written from now on.
    Latest,
    /// This offset.
    Offset(i64),
    /// So many records before the end, or the first the log still has.
    BeforeEnd(u64),
    /// The first record of this time or later, in milliseconds since 1970; the end if there is none.
    Timestamp(i64),
}

/// A start that no log has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidStart {
    /// A negative offset.
    Offset(i64),
    /// A negative time. Brokers take some of these for other questions: -1 for the end, -2 for the
    /// start of the log (KAFKA-15550).
    Timestamp(i64),
}

impl fmt::Display for InvalidStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(offset) => write!(f, "the offset is {offset}, but must not be negative"),
            Self::Timestamp(time) => write!(
                f,
                "the time is {time}, but must not be negative; for the ends of the log use \
                 Start::Earliest or Start::Latest"
            ),
        }
    }
}

impl std::error::Error for InvalidStart {}

/// The first record of this time or later. What is finer than a millisecond is cut off; a time before 1970
/// is refused where it is used.
impl From<SystemTime> for Start {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH);
        let millis = since.map(|since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        Self::Timestamp(millis.unwrap_or(-1))
    }
}

impl Start {
    /// Refuses negative offsets and times.
    ///
    /// # Errors
    /// What is wrong with the start.
    pub const fn check(self) -> Result<(), InvalidStart> {
        match self {
            Self::Offset(offset @ ..0) => Err(InvalidStart::Offset(offset)),
            Self::Timestamp(time @ ..0) => Err(InvalidStart::Timestamp(time)),
            _ => Ok(()),
        }
    }

    /// The offset, where it need not be looked up.
    #[must_use]
    pub const fn offset(self) -> Option<i64> {
        match self {
            Self::Offset(offset) => Some(offset),
            _ => None,
        }
    }
}

/// What to do when a position is outside the log (`auto.offset.reset`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reset {
    /// Go on at the first offset.
    Earliest,
    /// Go on at the end.
    #[default]
    Latest,
    /// Tell the application, which then seeks.
    None,
}

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Earliest => "earliest",
            Self::Latest => "latest",
            Self::None => "none",
        })
    }
}

/// What is no [`Reset`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownReset(String);

impl fmt::Display for UnknownReset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is none of earliest, latest and none", self.0)
    }
}

impl std::error::Error for UnknownReset {}

/// Kafka's words, and librdkafka's: `smallest` and `beginning`, `largest` and `end`, `error`.
impl FromStr for Reset {
    type Err = UnknownReset;

    fn from_str(text: &str) -> Result<Self, UnknownReset> {
        match text.to_ascii_lowercase().as_str() {
            "earliest" | "smallest" | "beginning" => Ok(Self::Earliest),
            "latest" | "largest" | "end" => Ok(Self::Latest),
            "none" | "error" => Ok(Self::None),
            _ => Err(UnknownReset(text.to_owned())),
        }
    }
}

/// A partition's place in the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// One partition of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The partition.
    pub slot: Slot,
    /// Its topic.
    pub topic: Arc<str>,
    /// Its number.
    pub partition: i32,
    /// Comes back with the answer.
    pub incarnation: u32,
    /// The id of the topic, nil where brokers have none (KIP-516). A session knows the partition under
    /// it, and forgets it under no other, whatever the metadata says by then.
    pub topic_id: Uuid,
    /// The offset to fetch from.
    pub offset: i64,
    /// The leader epoch as this client knows it, for fencing (KIP-320).
    pub leader_epoch: i32,
}

/// A fetch to be made now.
#[derive(Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The broker to ask: the leader of all of these, or the replica that the leader named.
    pub broker: i32,
    /// The session to go on with, and the number of this request in it; 0 and 0 begin one (KIP-227).
    pub session: (i32, i32),
    /// From where to fetch what, in order: byte limits are used up from the front. In a session, those
    /// whose position or leader epoch changed; the broker knows the others.
    pub partitions: Vec<Wanted>,
    /// The partitions that leave the session, each as this client asked for it.
    pub forgotten: Vec<Wanted>,
}

impl Fetch {
    /// Whether it names everything that is wanted of the broker.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.session.0 == 0
    }
}

/// Offsets to be looked up now, in one ListOffsets request.
#[derive(Debug, PartialEq, Eq)]
pub struct Lookups {
    /// The broker that leads all of these.
    pub broker: i32,
    /// What to look up.
    pub lookups: Vec<Lookup>,
}

/// One offset to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The partition.
    pub slot: Slot,
    /// Its topic.
    pub topic: Arc<str>,
    /// Its number.
    pub partition: i32,
    /// Comes back with the answer.
    pub incarnation: u32,
    /// What is looked for.
    pub start: Start,
}

/// What a fetch brought for one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// Batches up to, but not including, this offset. Equal to the position, nothing new came.
    UpTo(i64),
    /// Nothing: the answer to a request that named the partition leaves it out, without a session.
    Missing,
    /// Nothing: the leader names a replica to read from (KIP-392).
    Replica(i32),
    /// The broker refused.
    Error(ErrorCode),
}

/// What the application must hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The incarnation it was about.
    pub incarnation: u32,
    /// What the broker said.
    pub error: ErrorCode,
    /// The position it was about.
    pub offset: i64,
    /// Nothing is fetched until the application seeks.
    pub lost: bool,
}

/// What is known of brokers and leaders now.
pub trait Leaders {
    /// The leader of a partition, and its epoch.
    fn leader(&self, topic: &Arc<str>, partition: i32) -> Option<(i32, i32)>;
    /// The id of a topic; nil where it has none.
    fn topic_id(&self, topic: &Arc<str>) -> Uuid;
    /// Whether the address of a broker is known.
    fn knows(&self, broker: i32) -> bool;
}

impl Leaders for Topology {
    fn leader(&self, topic: &Arc<str>, partition: i32) -> Option<(i32, i32)> {
        Self::leader(self, topic, partition)
    }

    fn topic_id(&self, topic: &Arc<str>) -> Uuid {
        self.topic(topic).map_or(Uuid::nil(), |topic| topic.id)
    }

    fn knows(&self, broker: i32) -> bool {
        self.brokers.contains_key(&broker)
    }
}

/// How a fetcher behaves.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// `auto.offset.reset`
    pub reset: Reset,
    /// `retry.backoff.ms` and `retry.backoff.max.ms`
    pub backoff: Backoff,
    /// How long a replica that the leader named is read from before the leader is asked again:
    /// `metadata.max.age.ms`, as in the Java client.
    pub replica_lease: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_no_log_has_is_refused_with_its_number() {
        assert_eq!(Start::Offset(-1).check(), Err(InvalidStart::Offset(-1)));
        let early = Start::Timestamp(-2).check();
        assert_eq!(early, Err(InvalidStart::Timestamp(-2)));
        for start in [
            Start::Offset(0),
            Start::Timestamp(0),
            Start::Earliest,
            Start::Latest,
            Start::BeforeEnd(0),
        ] {
            assert_eq!(start.check(), Ok(()), "{start:?}");
        }
        let text = InvalidStart::Timestamp(-2).to_string();
        assert!(
            text.contains("-2") && text.contains("Start::Earliest"),
            "{text}"
        );
        let text = InvalidStart::Offset(-7).to_string();
        assert!(text.contains("-7"), "{text}");
    }

    #[test]
    fn only_an_offset_needs_no_look_up() {
        assert_eq!(Start::Offset(7).offset(), Some(7));
        assert_eq!(Start::Timestamp(7).offset(), None);
        assert_eq!(Start::Latest.offset(), None);
    }
}

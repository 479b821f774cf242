//! How a producer behaves, by the names of the Java client.

use std::{
    collections::HashMap, fmt, str::FromStr, sync::Arc, thread::available_parallelism,
    time::Duration,
};

use ottla_protocol::records::Compression;

use super::partitioner::{Partitioner, Partitioning};
use crate::{
    error::{Error, Result},
    settings::{self, Value, settings},
};

/// When a record counts as written (`acks`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acks {
    /// When it left this process. Losses go unnoticed.
    None,
    /// When the leader has it.
    Leader,
    /// When every in-sync replica has it.
    #[default]
    All,
}

impl Acks {
    pub(super) const fn wire(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// As the setting has it: `0`, `1` or `all`.
impl fmt::Display for Acks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "0",
            Self::Leader => "1",
            Self::All => "all",
        })
    }
}

/// As the setting has it: `0`, `1`, `all` or `-1`.
impl FromStr for Acks {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        settings::read("acks", text)
    }
}

impl Value for Acks {
    const VALUES: &'static str = "all, 1 or 0";

    fn read(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "all" | "-1" => Some(Self::All),
            "1" => Some(Self::Leader),
            "0" => Some(Self::None),
            _ => None,
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Arc<dyn Partitioner> {
    const VALUES: &'static str =
        "a name of librdkafka's, such as murmur2_random or consistent_random";

    fn read(text: &str) -> Option<Self> {
        let partitioning: Partitioning = text.to_ascii_lowercase().parse().ok()?;
        Some(Arc::new(partitioning))
    }

    fn show(&self) -> String {
        format!("{self:?}")
    }
}

/// The level of one compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GzipLevel(pub(crate) i32);

/// The level of one compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ZstdLevel(pub(crate) i32);

macro_rules! levels {
    ($($level:ident $compression:ident $values:literal)*) => { $(
        impl Value for $level {
            const VALUES: &'static str = $values;

            fn read(text: &str) -> Option<Self> {
                let level = text.parse().ok()?;
                Compression::$compression.check_level(level).ok()?;
                Some(Self(level))
            }

            fn show(&self) -> String {
                self.0.to_string()
            }
        }
    )* };
}

levels! {
    GzipLevel Gzip "1 to 9, or -1 for the default"
    ZstdLevel Zstd "-131072 to 22"
}

settings! {
    pub(crate) struct Settings of "producer" {
        /// When a record counts as written: when all replicas in sync have it, the leader has it, or at once.
        acks: Acks = Acks::All, "acks" | "request.required.acks";
        /// No retry writes twice. Needs `acks=all`.
        idempotence: Option<bool> = None, "enable.idempotence", shown "true with acks=all";
        /// Chooses the partition of records that do not name one.
        partitioner: Option<Arc<dyn Partitioner>> = None, "partitioner", shown "murmur2_random";
        /// Places records with a key as those without: `partitioner=random`. Only one of the two may be set.
        ignore_keys: bool = false, "partitioner.ignore.keys";
        /// Records without a key shun slow brokers.
        adaptive: bool = true, "partitioner.adaptive.partitioning.enable";
        /// Records without a key leave out brokers that let batches wait so long; 0 is never.
        availability_timeout: Duration = Duration::ZERO, "partitioner.availability.timeout.ms";
        /// How long a batch waits for more records; less than `delivery.timeout.ms`.
        linger: Duration = Duration::from_millis(5), "linger.ms" | "queue.buffering.max.ms";
        /// The size of a batch in bytes before compression, at most `max.request.size`. Java has 16384.
        batch_size: usize = 256 << 10, "batch.size", in 1..;
        /// Bytes of records that wait. `send` waits when they are used up.
        buffer_memory: usize = 32 << 20, "buffer.memory";
        /// The largest request, and so the largest record, in bytes.
        max_request_size: usize = 1 << 20, "max.request.size" | "message.max.bytes", in 1..;
        /// Requests to a broker, and batches of a partition, that may be unanswered; at most 5 if idempotent.
        max_in_flight: usize = 5, "max.in.flight.requests.per.connection" | "max.in.flight", in 1..;
        /// How long `send` waits for memory, and for the topic to be known.
        max_block: Duration = Duration::from_secs(60), "max.block.ms";
        /// How long a batch may take from its first record to its answer, with all retries.
        delivery_timeout: Duration = Duration::from_secs(120),
            "delivery.timeout.ms" | "message.timeout.ms", in 1..;
        /// How long a topic may be unknown before its records fail.
        unknown_topic_timeout: Duration = Duration::from_secs(30), "topic.metadata.propagation.max.ms";
        /// How batches are compressed.
        compression: Compression = Compression::None, "compression.type" | "compression.codec";
        /// How hard gzip tries: more is smaller and slower.
        gzip_level: Option<GzipLevel> = None, "compression.gzip.level", shown "6";
        /// How hard zstd tries: more is smaller and slower.
        zstd_level: Option<ZstdLevel> = None, "compression.zstd.level", shown "3";
        also {
            topic_compression: HashMap<Arc<str>, Compression> = HashMap::new();
        }
    }
}

impl Settings {
    pub(super) fn partitioner(&self) -> Arc<dyn Partitioner> {
        match &self.partitioner {
            Some(partitioner) => partitioner.clone(),
            None if self.ignore_keys => Arc::new(Partitioning::Random),
            None => Arc::new(Partitioning::default()),
        }
    }

    /// How many batches are compressed at a time: one for each core, none without compression.
    pub(super) fn packers(&self) -> usize {
        let mut all = self.topic_compression.values().chain([&self.compression]);
        if all.all(|compression| *compression == Compression::None) {
            return 0;
        }
        available_parallelism().map_or(1, usize::from)
    }

    /// Asked for, or not forbidden and possible.
    pub(super) fn is_idempotent(&self) -> bool {
        self.idempotence.unwrap_or(self.acks == Acks::All)
    }

    /// Settings that contradict each other are an error, not a surprise.
    pub(super) fn check(&self) -> Result<()> {
        if self.is_idempotent() && self.acks != Acks::All {
            return Err(Error::config(
                "enable.idempotence needs acks=all; set one of the two",
            ));
        }
        if self.is_idempotent() && self.max_in_flight > 5 {
            return Err(Error::config(
                "max.in.flight.requests.per.connection must be at most 5 with enable.idempotence",
            ));
        }
        if self.ignore_keys && self.partitioner.is_some() {
            return Err(Error::config(
                "partitioner.ignore.keys is about the default partitioner; set it or another \
                 partitioner, not both",
            ));
        }
        if !self.adaptive && !self.availability_timeout.is_zero() {
            return Err(Error::config(
                "partitioner.availability.timeout.ms needs partitioner.adaptive.partitioning.enable",
            ));
        }
        if !self.linger.is_zero() && self.linger >= self.delivery_timeout {
            return Err(Error::config(
                "delivery.timeout.ms must be greater than linger.ms, or batches that linger would \
                 never be sent",
            ));
        }
        if self.delivery_timeout.is_zero() {
            return Err(Error::config("delivery.timeout.ms must be greater than 0"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const ACKS: &str = "acks";
    const IDEMPOTENCE: &str = "enable.idempotence";
    const IN_FLIGHT: &str = "max.in.flight.requests.per.connection";
    const PARTITIONER: &str = "partitioner";
    const IGNORE_KEYS: &str = "partitioner.ignore.keys";
    const ADAPTIVE: &str = "partitioner.adaptive.partitioning.enable";
    const AVAILABILITY: &str = "partitioner.availability.timeout.ms";
    const LINGER: &str = "linger.ms";
    const TIMEOUT: &str = "delivery.timeout.ms";

    type Pairs = &'static [(&'static str, &'static str)];

    fn check(pairs: Pairs) -> Result<()> {
        let mut settings = Settings::default();
        for (name, value) in pairs {
            settings.set(name, value)?;
        }
        settings.check()
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused_by_their_names() {
        let refused: [Pairs; 11] = [
            &[(IDEMPOTENCE, "true"), (ACKS, "1")],
            &[(IDEMPOTENCE, "true"), (ACKS, "0")],
            &[(IN_FLIGHT, "0")],
            &[(IN_FLIGHT, "6")],
            &[(IGNORE_KEYS, "true"), (PARTITIONER, "consistent")],
            &[(IGNORE_KEYS, "true"), (PARTITIONER, "murmur2_random")],
            &[(AVAILABILITY, "1"), (ADAPTIVE, "false")],
            &[(LINGER, "1000"), (TIMEOUT, "1000")],
            &[(TIMEOUT, "0")],
            &[("batch.size", "0")],
            &[("max.request.size", "0")],
        ];
        for pairs in refused {
            let error = check(pairs).expect_err("one is too much");
            assert!(matches!(error.kind(), ErrorKind::Config(_)), "{error}");
            let told = error.to_string();
            assert!(pairs.iter().all(|(name, _)| told.contains(name)), "{told}");
        }
        check(&[(LINGER, "0"), (TIMEOUT, "0")]).expect_err("nothing would be in time");
        let none = check(&[(IDEMPOTENCE, "false"), (IN_FLIGHT, "0")]);
        none.expect_err("nothing would be sent");
    }

    #[test]
    fn settings_that_go_together_are_accepted() {
        let accepted: [Pairs; 12] = [
            &[],
            &[(ACKS, "1")],
            &[(ACKS, "0"), (IN_FLIGHT, "6")],
            &[(ACKS, "all"), (IDEMPOTENCE, "false"), (IN_FLIGHT, "6")],
            &[(IN_FLIGHT, "5")],
            &[(IN_FLIGHT, "1")],
            &[(IGNORE_KEYS, "true")],
            &[(IGNORE_KEYS, "false"), (PARTITIONER, "consistent")],
            &[(ADAPTIVE, "false"), (AVAILABILITY, "0")],
            &[(AVAILABILITY, "1"), (ADAPTIVE, "true")],
            &[(LINGER, "999"), (TIMEOUT, "1000")],
            &[(LINGER, "0"), (TIMEOUT, "1")],
        ];
        for pairs in accepted {
            check(pairs).expect("they go together");
        }
    }
}

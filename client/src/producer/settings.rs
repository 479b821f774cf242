//! How a producer behaves, by the names of the Java client.

use std::{collections::HashMap, sync::Arc, thread::available_parallelism, time::Duration};

use ottla_protocol::records::Compression;

use super::partitioner::{Partitioner, Partitioning};
use crate::{
    error::{Error, Result},
    settings::{boolean, malformed, millis, number, unknown},
};

/// When a record counts as written (`acks`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// When it left this process. Losses go unnoticed.
    None,
    /// When the leader has it.
    Leader,
    /// When every in-sync replica has it.
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

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) acks: Acks,
    /// `None`: as `acks` allows.
    pub(super) idempotence: Option<bool>,
    /// `None`: the default, with or without keys.
    pub(super) partitioner: Option<Arc<dyn Partitioner>>,
    pub(super) ignore_keys: bool,
    pub(super) adaptive: bool,
    /// Zero is never.
    pub(super) availability_timeout: Duration,
    pub(super) linger: Duration,
    pub(super) batch_size: usize,
    pub(super) buffer_memory: usize,
    pub(super) max_request_size: usize,
    pub(super) max_in_flight: usize,
    pub(super) max_block: Duration,
    pub(super) delivery_timeout: Duration,
    pub(super) unknown_topic_timeout: Duration,
    pub(super) compression: Compression,
    pub(super) topic_compression: HashMap<Arc<str>, Compression>,
    pub(super) gzip_level: Option<i32>,
    pub(super) zstd_level: Option<i32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            idempotence: None,
            partitioner: None,
            ignore_keys: false,
            adaptive: true,
            availability_timeout: Duration::ZERO,
            linger: Duration::from_millis(5),
            batch_size: 256 * 1024,
            buffer_memory: 32 << 20,
            max_request_size: 1 << 20,
            max_in_flight: 5,
            max_block: Duration::from_secs(60),
            delivery_timeout: Duration::from_secs(120),
            unknown_topic_timeout: Duration::from_secs(30),
            compression: Compression::None,
            topic_compression: HashMap::new(),
            gzip_level: None,
            zstd_level: None,
        }
    }
}

impl Settings {
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "acks" => self.acks = acks(value)?,
            "enable.idempotence" => self.idempotence = Some(boolean(name, value)?),
            "partitioner" => {
                let partitioning: Result<Partitioning, ()> = value.parse();
                let names = "a name of librdkafka's, such as murmur2_random or consistent_random";
                let found = partitioning.map_err(|()| malformed(name, value, names))?;
                self.partitioner = Some(Arc::new(found));
            }
            "partitioner.ignore.keys" => self.ignore_keys = boolean(name, value)?,
            "partitioner.adaptive.partitioning.enable" => self.adaptive = boolean(name, value)?,
            "partitioner.availability.timeout.ms" => {
                self.availability_timeout = millis(name, value)?
            }
            "linger.ms" => self.linger = millis(name, value)?,
            "batch.size" => self.batch_size = number(name, value)?,
            "buffer.memory" => self.buffer_memory = number(name, value)?,
            "max.request.size" => self.max_request_size = number(name, value)?,
            "max.in.flight.requests.per.connection" => self.max_in_flight = number(name, value)?,
            "max.block.ms" => self.max_block = millis(name, value)?,
            "delivery.timeout.ms" => self.delivery_timeout = millis(name, value)?,
            "topic.metadata.propagation.max.ms" => {
                self.unknown_topic_timeout = millis(name, value)?;
            }
            "compression.type" => {
                let names = "none, gzip, snappy, lz4 or zstd";
                self.compression = value.parse().map_err(|_| malformed(name, value, names))?;
            }
            "compression.gzip.level" => {
                self.gzip_level = Some(level(name, value, Compression::Gzip)?)
            }
            "compression.zstd.level" => {
                self.zstd_level = Some(level(name, value, Compression::Zstd)?)
            }
            _ => return Err(unknown(name, "producer")),
        }
        Ok(())
    }

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
        if self.max_in_flight == 0 || (self.is_idempotent() && self.max_in_flight > 5) {
            return Err(Error::config(
                "max.in.flight.requests.per.connection must be 1 to 5 with enable.idempotence, \
                 and at least 1 without",
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
        if self.delivery_timeout.is_zero() || self.batch_size == 0 || self.max_request_size == 0 {
            return Err(Error::config(
                "delivery.timeout.ms, batch.size and max.request.size must be greater than 0",
            ));
        }
        Ok(())
    }
}

fn acks(value: &str) -> Result<Acks> {
    match value {
        "all" | "-1" => Ok(Acks::All),
        "1" => Ok(Acks::Leader),
        "0" => Ok(Acks::None),
        _ => Err(malformed("acks", value, "all, 1 or 0")),
    }
}

fn level(name: &str, value: &str, compression: Compression) -> Result<i32> {
    let level = number(name, value)?;
    let refused = |e| Error::config(format!("{name}: {e}"));
    compression.check_level(level).map_err(refused)?;
    Ok(level)
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
            settings.set(name, value).expect("it is a setting");
        }
        settings.check()
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused_by_their_names() {
        let refused: [Pairs; 12] = [
            &[(IDEMPOTENCE, "true"), (ACKS, "1")],
            &[(IDEMPOTENCE, "true"), (ACKS, "0")],
            &[(IN_FLIGHT, "0")],
            &[(IN_FLIGHT, "0"), (IDEMPOTENCE, "false")],
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

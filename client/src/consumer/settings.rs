//! How a consumer behaves, by the names of the Java client and, for the local queue, librdkafka.

use std::{sync::Arc, time::Duration};

use ottla_core::fetcher::Reset;
use ottla_protocol::records::MAX_DECOMPRESSED;

use crate::{
    error::{Error, Result},
    settings::{boolean, malformed, millis, number, unknown},
};

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) max_wait: Duration,
    pub(super) min_bytes: i32,
    pub(super) max_bytes: i32,
    pub(super) partition_max_bytes: i32,
    pub(super) check_crcs: bool,
    pub(super) reset: Reset,
    /// Bytes of opened batches that may wait for the application.
    pub(super) queued_bytes: usize,
    pub(super) max_decompressed: usize,
    /// Empty: no replica is preferred.
    pub(super) rack: Arc<str>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_wait: Duration::from_millis(500),
            min_bytes: 1,
            max_bytes: 50 << 20,
            partition_max_bytes: 1 << 20,
            check_crcs: true,
            reset: Reset::Latest,
            queued_bytes: 64 << 20,
            max_decompressed: MAX_DECOMPRESSED,
            rack: "".into(),
        }
    }
}

impl Settings {
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "fetch.max.wait.ms" | "fetch.wait.max.ms" => self.max_wait = millis(name, value)?,
            "fetch.min.bytes" => self.min_bytes = number(name, value)?,
            "fetch.max.bytes" => self.max_bytes = number(name, value)?,
            "max.partition.fetch.bytes" => self.partition_max_bytes = number(name, value)?,
            "check.crcs" => self.check_crcs = boolean(name, value)?,
            "auto.offset.reset" => self.reset = reset(name, value)?,
            "queued.max.messages.kbytes" => {
                self.queued_bytes = number::<usize>(name, value)?.saturating_mul(1024);
            }
            "client.rack" => self.rack = value.trim().into(),
            "isolation.level" if value == "read_uncommitted" => {}
            "isolation.level" if value == "read_committed" => {
                return Err(Error::config(
                    "isolation.level=read_committed is not supported yet",
                ));
            }
            "isolation.level" => {
                return Err(malformed(name, value, "read_uncommitted or read_committed"));
            }
            _ => return Err(unknown(name, "consumer")),
        }
        Ok(())
    }

    pub(super) fn check(&self) -> Result<()> {
        let positive = self.max_bytes > 0 && self.partition_max_bytes > 0 && self.queued_bytes > 0;
        if !positive || self.min_bytes < 0 {
            return Err(Error::config(
                "fetch.max.bytes, max.partition.fetch.bytes and queued.max.messages.kbytes must be \
                 greater than 0, and fetch.min.bytes at least 0",
            ));
        }
        Ok(())
    }
}

fn reset(name: &str, value: &str) -> Result<Reset> {
    match value {
        "earliest" => Ok(Reset::Earliest),
        "latest" => Ok(Reset::Latest),
        "none" => Ok(Reset::None),
        _ => Err(malformed(name, value, "earliest, latest or none")),
    }
}

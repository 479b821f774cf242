//! How a consumer behaves, by the names of the Java client and, for the local queue, librdkafka.

use std::{sync::Arc, time::Duration};

use ottla_core::fetcher::Reset;
use ottla_protocol::records::MAX_DECOMPRESSED;

use crate::settings::{Kib, Value, settings};

impl Value for Reset {
    const VALUES: &'static str = "earliest, latest or none";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// Which records of transactions are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// All of them.
    ReadUncommitted,
}

impl Value for Isolation {
    const VALUES: &'static str = "read_uncommitted (read_committed is not supported yet)";

    fn read(text: &str) -> Option<Self> {
        text.eq_ignore_ascii_case("read_uncommitted")
            .then_some(Self::ReadUncommitted)
    }

    fn show(&self) -> String {
        "read_uncommitted".to_owned()
    }
}

settings! {
    pub(crate) struct Settings of "consumer" {
        /// How long a broker waits for `fetch.min.bytes` before it answers. A broker that has nothing is asked
        /// again after 10 ms at the earliest.
        max_wait: Duration = Duration::from_millis(500), "fetch.max.wait.ms" | "fetch.wait.max.ms";
        /// So many bytes are worth an answer before the wait is over.
        min_bytes: i32 = 1, "fetch.min.bytes", in 0..;
        /// The most bytes in one answer; a larger batch comes alone. At least 512 less than
        /// `receive.message.max.bytes`.
        max_bytes: i32 = 50 << 20, "fetch.max.bytes", in 1..;
        /// The most bytes of one partition in one answer; a larger batch comes alone.
        partition_max_bytes: i32 = 1 << 20,
            "max.partition.fetch.bytes" | "fetch.message.max.bytes", in 1..;
        /// Whether the checksum of each batch is checked.
        check_crcs: bool = true, "check.crcs";
        /// What to do when a position is outside the log.
        reset: Reset = Reset::Latest, "auto.offset.reset";
        /// Which records of transactions are read.
        isolation: Isolation = Isolation::ReadUncommitted, "isolation.level";
        /// Frames and opened batches that wait for the application. More takes memory and, measured, makes
        /// nothing faster on one machine; a distant cluster may want more. librdkafka has 65536.
        queued: Kib = Kib(8 << 20), "queued.max.messages.kbytes", in 1..;
        /// Reads from a replica in this rack, where the brokers name one (KIP-392).
        rack: Arc<str> = "".into(), "client.rack", shown "none";
        /// Whether the end of a partition is told, as an error that is none: `ErrorKind::PartitionEnd`, once
        /// each time that it is reached.
        tells_end: bool = false, "enable.partition.eof";
        also {
            max_decompressed: usize = MAX_DECOMPRESSED;
        }
    }
}

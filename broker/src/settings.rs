//! The settings of the brokers, by Kafka's names.

use std::collections::BTreeMap;

use crate::{setting_kind::Kind, topic_settings::TOPIC_SETTINGS};

/// The settings that belong to no topic: name, what it takes, default.
#[rustfmt::skip]
/// Which replica consumers are sent to read from: none but the leader, or one in their rack (KIP-392).
const RACK_AWARE: &str = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
const SELECTOR: Kind = Kind::OneOf(&["", RACK_AWARE]);

const BROKER_SETTINGS: &[(&str, Kind, &str)] = &[
    ("auto.create.topics.enable", Kind::Bool, "true"),
    (
        "default.replication.factor",
        Kind::Int(1..=i16::MAX as i64),
        "",
    ),
    ("delete.topic.enable", Kind::Bool, "true"),
    (
        "fetch.max.bytes",
        Kind::Int(1024..=i32::MAX as i64),
        "57671680",
    ),
    (
        "log.retention.check.interval.ms",
        Kind::Int(1..=i64::MAX),
        "300000",
    ),
    ("num.partitions", Kind::Int(1..=i32::MAX as i64), "1"),
    (
        "offset.metadata.max.bytes",
        Kind::Int(0..=i32::MAX as i64),
        "4096",
    ),
    ("replica.selector.class", SELECTOR, ""),
    (
        "producer.id.expiration.ms",
        Kind::Int(1..=i32::MAX as i64),
        "86400000",
    ),
    (
        "socket.request.max.bytes",
        Kind::Int(1..=i32::MAX as i64),
        "104857600",
    ),
];

/// The settings of all brokers. What was not set has its default.
#[derive(Debug)]
pub(crate) struct Settings {
    /// What was set.
    values: BTreeMap<&'static str, String>,
    pub(crate) auto_create_topics: bool,
    pub(crate) default_replication_factor: i16,
    pub(crate) delete_topics: bool,
    pub(crate) fetch_max_bytes: usize,
    pub(crate) retention_check_interval_ms: i64,
    pub(crate) num_partitions: i32,
    pub(crate) offset_metadata_max_bytes: usize,
    pub(crate) producer_id_expiration_ms: i64,
    pub(crate) max_request_bytes: usize,
    /// Consumers are sent to a replica in their rack (KIP-392).
    pub(crate) rack_aware: bool,
}

impl Settings {
    /// Checks what was set by name; a broker's replication factor depends on how many there are.
    pub(crate) fn new(set: &[(String, String)], brokers: i32) -> Result<Self, String> {
        let mut values = BTreeMap::new();
        for (name, value) in set {
            let (name, kind) = find(name)?;
            kind.check(name, value)?;
            values.insert(name, value.trim().to_owned());
        }
        let replicas = brokers.min(3).to_string();
        values
            .entry("default.replication.factor")
            .or_insert(replicas);
        let int = |name| number(&values, name);
        Ok(Self {
            auto_create_topics: text(&values, "auto.create.topics.enable") == "true",
            default_replication_factor: int("default.replication.factor") as i16,
            delete_topics: text(&values, "delete.topic.enable") == "true",
            fetch_max_bytes: int("fetch.max.bytes") as usize,
            retention_check_interval_ms: int("log.retention.check.interval.ms"),
            num_partitions: int("num.partitions") as i32,
            offset_metadata_max_bytes: int("offset.metadata.max.bytes") as usize,
            producer_id_expiration_ms: int("producer.id.expiration.ms"),
            max_request_bytes: int("socket.request.max.bytes") as usize,
            rack_aware: text(&values, "replica.selector.class") == RACK_AWARE,
            values,
        })
    }

    /// What was set under this name.
    pub(crate) fn set_value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}

fn find(name: &str) -> Result<(&'static str, &'static Kind), String> {
    let broker = BROKER_SETTINGS.iter().map(|(name, kind, _)| (*name, kind));
    let topic = TOPIC_SETTINGS
        .iter()
        .map(|(_, name, kind, _)| (*name, kind));
    let found = broker.chain(topic).find(|(known, _)| *known == name);
    found.ok_or_else(|| format!("{name} is no setting that this broker knows"))
}

fn text<'a>(values: &'a BTreeMap<&str, String>, name: &str) -> &'a str {
    let default = || {
        BROKER_SETTINGS
            .iter()
            .find(|s| s.0 == name)
            .map_or("", |s| s.2)
    };
    values.get(name).map_or_else(default, String::as_str)
}

fn number(values: &BTreeMap<&str, String>, name: &str) -> i64 {
    let value = text(values, name).parse();
    value.expect("values are checked when they are set, and the defaults are numbers")
}

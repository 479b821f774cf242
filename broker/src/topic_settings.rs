//! The settings of topics, beside the broker settings that are their defaults.

use crate::setting_kind::Kind;

/// Name, name among the settings of brokers, what it takes, default.
pub(crate) type TopicSetting = (&'static str, &'static str, Kind, &'static str);

const POLICY: Kind = Kind::ListOf(&["compact", "delete"]);
const TIME: Kind = Kind::OneOf(&["CreateTime", "LogAppendTime"]);
/// Batches are kept as producers send them, never compressed anew.
const AS_SENT: Kind = Kind::OneOf(&["producer"]);
const COUNT: Kind = Kind::Int(1..=i32::MAX as i64);
const INT: Kind = Kind::Int(0..=i32::MAX as i64);
const LONG: Kind = Kind::Int(0..=i64::MAX);
/// -1 is no limit.
const LIMIT: Kind = Kind::Int(-1..=i64::MAX);

/// What a topic takes. Those of the second group tune files, of which this broker has none: they
/// change nothing here, and are taken and reported because clients set them by habit.
#[rustfmt::skip]
pub(crate) static TOPIC_SETTINGS: &[TopicSetting] = &[
    ("cleanup.policy",                 "log.cleanup.policy",                 POLICY,  "delete"),
    ("compression.type",               "compression.type",                   AS_SENT, "producer"),
    ("max.message.bytes",              "message.max.bytes",                  INT,     "1048588"),
    ("message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms", LONG,    "3600000"),
    ("message.timestamp.type",         "log.message.timestamp.type",         TIME,    "CreateTime"),
    ("min.insync.replicas",            "min.insync.replicas",                COUNT,   "1"),
    ("retention.bytes",                "log.retention.bytes",                LIMIT,   "-1"),
    ("retention.ms",                   "log.retention.ms",                   LIMIT,   "604800000"),

    ("delete.retention.ms",            "log.cleaner.delete.retention.ms",    LONG,    "86400000"),
    ("min.cleanable.dirty.ratio",      "log.cleaner.min.cleanable.ratio",    Kind::Ratio, "0.5"),
    ("segment.bytes",                  "log.segment.bytes",                  INT,     "1073741824"),
    ("segment.ms",                     "log.roll.ms",                        LONG,    "604800000"),
];

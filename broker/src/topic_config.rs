//! The configuration of a topic: what was set for it, over what the brokers say, over the defaults.

use std::collections::BTreeMap;

use crate::{
    settings::Settings,
    topic_settings::{TOPIC_SETTINGS, TopicSetting},
};

/// Where a value comes from (`ConfigEntry.ConfigSource`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Topic = 1,
    Broker = 4,
    Default = 5,
}

/// The configuration of one topic.
#[derive(Debug)]
pub(crate) struct TopicConfig {
    values: Vec<(&'static str, String, Source)>,
    pub(crate) append_time: bool,
    pub(crate) compacted: bool,
    pub(crate) retention_bytes: Option<u64>,
    pub(crate) retention_ms: Option<i64>,
    pub(crate) max_message_bytes: usize,
    pub(crate) min_insync_replicas: usize,
    pub(crate) timestamp_after_max_ms: i64,
}

impl TopicConfig {
    /// Checks what was set for the topic, and fills in the rest.
    pub(crate) fn new<'a>(
        settings: &Settings,
        set: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<Self, String> {
        let mut own = BTreeMap::new();
        for (name, value) in set {
            let value = value.ok_or_else(|| format!("{name} is null"))?;
            let known = TOPIC_SETTINGS.iter().find(|s| s.0 == name);
            let unknown = || format!("{name} is not known or not served");
            let (name, _, kind, _) = known.ok_or_else(unknown)?;
            kind.check(name, value)?;
            if own.insert(*name, value).is_some() {
                return Err(format!("{name} is set twice"));
            }
        }
        let values = TOPIC_SETTINGS.iter().map(|s| resolve(s, &own, settings));
        Ok(Self::of(values.collect()))
    }

    fn of(values: Vec<(&'static str, String, Source)>) -> Self {
        let text = |name: &str| {
            let found = values.iter().find(|v| v.0 == name);
            found
                .map(|v| v.1.as_str())
                .expect("every setting has a value")
        };
        let int = |name| -> i64 {
            text(name)
                .parse()
                .expect("values are checked when they are set")
        };
        let policy = text("cleanup.policy");
        // What is only compacted is never deleted for its age or size.
        let deleted = |name| Some(int(name)).filter(|n| *n >= 0 && policy.contains("delete"));
        Self {
            append_time: text("message.timestamp.type") == "LogAppendTime",
            compacted: policy.contains("compact"),
            retention_bytes: deleted("retention.bytes").map(|n| n as u64),
            retention_ms: deleted("retention.ms"),
            max_message_bytes: int("max.message.bytes") as usize,
            min_insync_replicas: int("min.insync.replicas") as usize,
            timestamp_after_max_ms: int("message.timestamp.after.max.ms"),
            values,
        }
    }

    /// Every setting with its value and where it comes from.
    pub(crate) fn values(&self) -> &[(&'static str, String, Source)] {
        &self.values
    }
}

fn resolve(
    (name, broker_name, _, default): &TopicSetting,
    own: &BTreeMap<&str, &str>,
    settings: &Settings,
) -> (&'static str, String, Source) {
    let (value, source) = match (own.get(name), settings.set_value(broker_name)) {
        (Some(value), _) => (*value, Source::Topic),
        (None, Some(value)) => (value, Source::Broker),
        (None, None) => (*default, Source::Default),
    };
    (name, value.to_owned(), source)
}

//! Settings by their Kafka names, so that an existing properties file works.

use std::{str::FromStr, sync::Arc, time::Duration};

use ottla_core::backoff::Backoff;

use crate::{
    error::{Error, ErrorKind, Result},
    seeds::Seeds,
};

/// The settings of a client; see [`ClientBuilder`](crate::ClientBuilder).
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) client_id: Option<Arc<str>>,
    pub(crate) request_timeout: Duration,
    pub(crate) api_timeout: Duration,
    pub(crate) setup_timeout: Duration,
    pub(crate) connections_max_idle: Duration,
    pub(crate) reconnect_backoff: Backoff,
    pub(crate) retry_backoff: Backoff,
    pub(crate) metadata_max_age: Duration,
    pub(crate) metadata_max_idle: Duration,
    pub(crate) max_frame: usize,
    pub(crate) auto_create: bool,
    pub(crate) checks_cluster: bool,
    pub(crate) seeds: Seeds,
}

/// The longest time a setting may say: what fits the protocol's 32 bits of milliseconds (rule 13).
pub(crate) const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

/// A time that was given as one, brought into what the protocol can say.
pub(crate) fn bounded(time: Duration) -> Duration {
    time.min(LONGEST)
}

/// Reads a number.
pub(crate) fn number<T: FromStr>(name: &str, value: &str) -> Result<T> {
    value
        .trim()
        .parse()
        .map_err(|_| malformed(name, value, "a number in range"))
}

/// Reads a time in milliseconds.
pub(crate) fn millis(name: &str, value: &str) -> Result<Duration> {
    let time = Duration::from_millis(number(name, value)?);
    if time > LONGEST {
        Err(malformed(name, value, "at most 2147483647 ms"))
    } else {
        Ok(time)
    }
}

/// Reads a truth value.
pub(crate) fn boolean(name: &str, value: &str) -> Result<bool> {
    match value.trim() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(malformed(name, value, "true or false")),
    }
}

/// A value that a setting does not take.
pub(crate) fn malformed(name: &str, value: &str, wanted: &str) -> Error {
    Error::config(format!("{name} is {value:?}, but must be {wanted}"))
}

/// A name that is no setting of this kind.
pub(crate) fn unknown(name: &str, of: &str) -> Error {
    let what = format!("{name} is not a setting of the {of}, or not supported yet");
    Error::new(ErrorKind::UnknownSetting(what), "settings")
}

/// Times as the protocol has them.
pub(crate) fn as_millis(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

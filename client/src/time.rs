//! Times as Kafka has them: milliseconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time in milliseconds since 1970, negative before. What is finer is cut off.
#[inline]
pub(crate) fn millis(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        // In 64 bits, which `as_millis` is not.
        Ok(since) => (since.as_secs() as i64)
            .saturating_mul(1000)
            .saturating_add(since.subsec_millis().into()),
        Err(before) => {
            let before = i64::try_from(before.duration().as_millis());
            before.map_or(i64::MIN, |before| -before)
        }
    }
}

/// The time of a timestamp; none before 1970, where Kafka has -1 for no time.
pub(crate) fn system_time(timestamp: i64) -> Option<SystemTime> {
    let since = Duration::from_millis(timestamp.try_into().ok()?);
    UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_there_and_back() {
        for timestamp in [0, 1, 999, 1_700_000_000_123] {
            assert_eq!(system_time(timestamp).map(millis), Some(timestamp));
        }
        assert_eq!(system_time(-1), None);
        let just_before = UNIX_EPOCH - Duration::from_millis(5);
        assert_eq!(millis(just_before), -5);
    }
}

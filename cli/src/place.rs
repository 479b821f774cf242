//! Places in a log as people write them: where to begin, and where to end.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use ottla::Start;

/// A part of each partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: Start,
    /// Reading ends before this place.
    pub(crate) to: Option<Start>,
}

const WANTED: &str = "give start, end, N, -N (the last N), @TIME, -1h (an hour ago) or FROM:TO";

impl Range {
    /// From the start on.
    pub(crate) const ALL: Self = Self {
        from: Start::Earliest,
        to: None,
    };

    /// Reads `FROM` or `FROM:TO`. Times of a day have colons, too: the last colon that makes sense counts.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Self::read(text, SystemTime::now()).ok_or_else(|| WANTED.to_owned())
    }

    fn read(text: &str, now: SystemTime) -> Option<Self> {
        if let Some(from) = place(text, now) {
            return Some(Self { from, to: None });
        }
        let colons = text.rmatch_indices(':');
        let mut ranges = colons.filter_map(|(at, _)| {
            let (from, to) = (&text[..at], &text[at + 1..]);
            let range = Self {
                from: if from.is_empty() {
                    Start::Earliest
                } else {
                    place(from, now)?
                },
                to: Some(
                    place(to, now).or_else(|| time(to, now).filter(|_| from.starts_with('@')))?,
                ),
            };
            // An offset behind a time is a time: nobody asks for records from a day up to an offset.
            match (range.from, range.to) {
                (Start::Timestamp(_), Some(Start::Offset(_))) if from.starts_with('@') => {
                    Some(Self {
                        to: time(to, now),
                        ..range
                    })
                }
                _ => Some(range),
            }
        });
        ranges.find(Self::is_in_order)
    }

    /// Nothing can be between an end and something before it.
    const fn is_in_order(&self) -> bool {
        match (self.from, self.to) {
            (_, Some(Start::Earliest)) | (Start::Latest, _) => false,
            (Start::Offset(from), Some(Start::Offset(to)))
            | (Start::Timestamp(from), Some(Start::Timestamp(to))) => from <= to,
            _ => true,
        }
    }
}

/// A time in milliseconds since 1970, written as in a place, with or without `@`.
pub(crate) fn timestamp(text: &str) -> Result<i64, String> {
    match time(text.strip_prefix('@').unwrap_or(text), SystemTime::now()) {
        Some(Start::Timestamp(time)) => Ok(time),
        _ => {
            Err("give milliseconds since 1970, 2026-01-01, 2026-01-01T08:30:00Z or -1h".to_owned())
        }
    }
}

fn place(text: &str, now: SystemTime) -> Option<Start> {
    match text {
        "start" | "beginning" | "earliest" | "oldest" | "smallest" => Some(Start::Earliest),
        "end" | "latest" | "newest" | "largest" => Some(Start::Latest),
        _ => match text.as_bytes() {
            [b'-', ..] => match digits(&text[1..]) {
                Some(records) => Some(Start::BeforeEnd(records)),
                None => ago(&text[1..], now),
            },
            [b'@', ..] => time(&text[1..], now),
            _ => Some(Start::Offset(digits(text)?.try_into().ok()?)),
        },
    }
}

/// Milliseconds since 1970, a date, a date and time, or a time ago.
fn time(text: &str, now: SystemTime) -> Option<Start> {
    if let Some(ago_text) = text.strip_prefix('-') {
        return ago(ago_text, now);
    }
    let millis = match digits(text) {
        Some(millis) => i64::try_from(millis).ok(),
        None => match text.parse::<Timestamp>() {
            Ok(time) => Some(time.as_millisecond()),
            Err(_) => {
                let time: DateTime = text.parse().ok()?;
                Some(
                    time.to_zoned(TimeZone::UTC)
                        .ok()?
                        .timestamp()
                        .as_millisecond(),
                )
            }
        },
    };
    millis.filter(|millis| *millis >= 0).map(Start::Timestamp)
}

/// A number with a unit, before now.
fn ago(text: &str, now: SystemTime) -> Option<Start> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = digits(&text[..text.len() - unit.len()])?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let ago = Duration::from_millis(number.checked_mul(millis)?);
    let since = now.duration_since(UNIX_EPOCH).ok()?.checked_sub(ago)?;
    Some(Start::Timestamp(since.as_millis().try_into().ok()?))
}

/// A number without a sign.
fn digits(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW_YEAR: i64 = 1_767_225_600_000;
    const DAY: i64 = 86_400_000;

    fn read(text: &str) -> Option<(Start, Option<Start>)> {
        let now = UNIX_EPOCH + Duration::from_millis(NEW_YEAR as u64);
        Range::read(text, now).map(|range| (range.from, range.to))
    }

    #[test]
    fn starts_are_read_as_people_write_them() {
        for (text, start) in [
            ("start", Start::Earliest),
            ("oldest", Start::Earliest),
            ("end", Start::Latest),
            ("newest", Start::Latest),
            ("42", Start::Offset(42)),
            ("-5", Start::BeforeEnd(5)),
            ("@1700000000000", Start::Timestamp(1_700_000_000_000)),
            ("@2026-01-01", Start::Timestamp(NEW_YEAR)),
            ("@2026-01-01T00:00:00Z", Start::Timestamp(NEW_YEAR)),
            ("@2026-01-01T01:00:00+01:00", Start::Timestamp(NEW_YEAR)),
            ("@2026-01-01T00:00", Start::Timestamp(NEW_YEAR)),
            ("@-1d", Start::Timestamp(NEW_YEAR - DAY)),
            ("-1h", Start::Timestamp(NEW_YEAR - DAY / 24)),
            ("-90s", Start::Timestamp(NEW_YEAR - 90_000)),
        ] {
            assert_eq!(read(text), Some((start, None)), "{text}");
        }
    }

    #[test]
    fn ranges_end_where_they_are_told_to() {
        let at = Start::Timestamp;
        for (text, from, to) in [
            ("10:20", Start::Offset(10), Start::Offset(20)),
            (":end", Start::Earliest, Start::Latest),
            ("-10:end", Start::BeforeEnd(10), Start::Latest),
            ("start:-2", Start::Earliest, Start::BeforeEnd(2)),
            ("-2h:-1h", at(NEW_YEAR - DAY / 12), at(NEW_YEAR - DAY / 24)),
            ("@2026-01-01:2026-01-02", at(NEW_YEAR), at(NEW_YEAR + DAY)),
            ("@2026-01-01:@2026-01-02", at(NEW_YEAR), at(NEW_YEAR + DAY)),
            ("@2026-01-01T00:00:00Z:end", at(NEW_YEAR), Start::Latest),
            (
                "@2026-01-01T00:00:00Z:2026-01-02T00:00:00Z",
                at(NEW_YEAR),
                at(NEW_YEAR + DAY),
            ),
            ("@5:7", at(5), at(7)),
        ] {
            assert_eq!(read(text), Some((from, Some(to))), "{text}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for wrong in [
            "",
            "-",
            "@",
            "+5",
            "--5",
            "-+5",
            "@-1",
            "@now",
            "9223372036854775808",
            "soon",
            ":",
            "5:",
            "20:10",
            "end:5",
            "5:start",
            "@2026-13-01",
            "@1969-01-01",
            "-1y",
            "-99999999999999999999h",
            "@2026-01-02:2026-01-01",
            "1:2:3",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}

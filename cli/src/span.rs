//! What part of a partition is to be read: from where, and up to where.

use ottla::{Client, Start};
use tokio::task::JoinSet;

use crate::{failure::Failure, place::Range};

/// A part of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) partition: i32,
    pub(crate) from: i64,
    /// The offset after the last record that is wanted, where there is one.
    pub(crate) end: Option<i64>,
}

/// Where to go instead of an offset outside the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instead {
    Start,
    End,
    /// Nowhere: it is an error.
    Nowhere,
}

impl Instead {
    /// Reads `auto.offset.reset`. What else it may be is the consumer's to judge.
    pub(crate) fn of(reset: Option<&str>) -> Self {
        match reset {
            Some("earliest") => Self::Start,
            Some("latest") => Self::End,
            _ => Self::Nowhere,
        }
    }
}

/// What is asked of every partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) range: Range,
    /// No further than the log goes now.
    pub(crate) exit: bool,
    pub(crate) instead: Instead,
}

/// Finds the spans of all partitions at the same time.
pub(crate) async fn find(
    client: &Client,
    topic: &str,
    partitions: &[i32],
    wanted: Wanted,
) -> Result<Vec<Span>, Failure> {
    let mut looking = JoinSet::new();
    for &partition in partitions {
        let log = Log {
            client: client.clone(),
            topic: topic.to_owned(),
            partition,
        };
        looking.spawn(async move { log.find(wanted).await });
    }
    let mut spans = Vec::new();
    while let Some(found) = looking.join_next().await {
        let found = found.map_err(|e| Failure::Failed(format!("looking for offsets: {e}")))?;
        spans.push(found?);
    }
    spans.sort_unstable_by_key(|span| span.partition);
    Ok(spans)
}

/// One partition.
struct Log {
    client: Client,
    topic: String,
    partition: i32,
}

impl Log {
    async fn find(self, wanted: Wanted) -> Result<Span, Failure> {
        let ends = (
            self.offset(Start::Earliest).await?,
            self.offset(Start::Latest).await?,
        );
        let from = match wanted.range.from {
            Start::Offset(offset) => self.inside(offset, ends, wanted.instead)?,
            from => self.place(from, ends).await?,
        };
        let mut end = match wanted.range.to {
            Some(to) => Some(self.place(to, ends).await?),
            None => None,
        };
        if wanted.exit {
            end = Some(end.unwrap_or(ends.1).min(ends.1));
        }
        Ok(Span {
            partition: self.partition,
            from,
            end,
        })
    }

    async fn place(&self, place: Start, (first, end): (i64, i64)) -> Result<i64, Failure> {
        Ok(match place {
            Start::Earliest => first,
            Start::Latest => end,
            Start::BeforeEnd(count) => end.saturating_sub_unsigned(count).max(first),
            Start::Offset(offset) => offset,
            Start::Timestamp(_) => self.offset(place).await?,
        })
    }

    async fn offset(&self, start: Start) -> ottla::Result<i64> {
        let (topic, partition) = (&self.topic, self.partition);
        self.client.offset(topic, partition, start).await
    }

    fn inside(&self, offset: i64, ends: (i64, i64), instead: Instead) -> Result<i64, Failure> {
        let (first, end) = ends;
        inside(offset, first, end, instead).ok_or_else(|| {
            Failure::Failed(format!(
                "there is no offset {offset} in {}-{}, whose log goes from {first} to {end}; \
                 -X auto.offset.reset=earliest or latest would go there instead",
                self.topic, self.partition
            ))
        })
    }
}

/// The offset, or what to take instead when the log does not hold it. The end is a place to wait
/// at.
fn inside(offset: i64, first: i64, end: i64, instead: Instead) -> Option<i64> {
    if (first..=end).contains(&offset) {
        return Some(offset);
    }
    match instead {
        Instead::Start => Some(first),
        Instead::End => Some(end),
        Instead::Nowhere => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_inside_from_the_first_to_the_end() {
        for offset in [10, 15, 20] {
            assert_eq!(inside(offset, 10, 20, Instead::Nowhere), Some(offset));
        }
        for offset in [9, 21] {
            assert_eq!(inside(offset, 10, 20, Instead::Nowhere), None);
            assert_eq!(inside(offset, 10, 20, Instead::Start), Some(10));
            assert_eq!(inside(offset, 10, 20, Instead::End), Some(20));
        }
    }
}

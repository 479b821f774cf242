//! What part of a partition is to be read: from where, and where its log ended at that time.

use ottla::{Client, Start};
use tokio::task::JoinSet;

use crate::failure::Failure;

/// A part of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) partition: i32,
    pub(crate) from: i64,
    /// The offset after the last record.
    pub(crate) end: i64,
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

/// Finds the spans of all partitions at the same time.
pub(crate) async fn find(
    client: &Client,
    topic: &str,
    partitions: &[i32],
    start: Start,
    instead: Instead,
) -> Result<Vec<Span>, Failure> {
    let mut looking = JoinSet::new();
    for &partition in partitions {
        let (client, topic) = (client.clone(), topic.to_owned());
        looking.spawn(async move { find_one(&client, &topic, partition, start, instead).await });
    }
    let mut spans = Vec::new();
    while let Some(found) = looking.join_next().await {
        let found = found.map_err(|e| Failure::Failed(format!("looking for offsets: {e}")))?;
        spans.push(found?);
    }
    spans.sort_unstable_by_key(|span| span.partition);
    Ok(spans)
}

async fn find_one(
    client: &Client,
    topic: &str,
    partition: i32,
    start: Start,
    instead: Instead,
) -> Result<Span, Failure> {
    let first = client.offset(topic, partition, Start::Earliest).await?;
    let end = client.offset(topic, partition, Start::Latest).await?;
    let from = match start {
        Start::Earliest => first,
        Start::Latest => end,
        Start::BeforeEnd(count) => end.saturating_sub_unsigned(count).max(first),
        Start::Offset(offset) => inside(offset, first, end, instead).ok_or_else(|| {
            Failure::Failed(format!(
                "there is no offset {offset} in {topic}-{partition}, whose log goes from {first} \
                 to {end}; -X auto.offset.reset=earliest or latest would go there instead"
            ))
        })?,
        Start::Timestamp(_) => client.offset(topic, partition, start).await?,
    };
    Ok(Span {
        partition,
        from,
        end,
    })
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

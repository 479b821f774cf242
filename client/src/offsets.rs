//! Where the logs of partitions start, end, and were at a time: ListOffsets, one request per leader.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use ottla_core::fetcher::Start;
use ottla_protocol::{
    ErrorCode,
    messages::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic},
};
use tokio::task::JoinSet;

use crate::{
    client::Client,
    error::{Error, Result},
    net::pool::Use,
    settings::as_millis,
};

/// The timestamps that stand for the end and the start of a log.
const END: i64 = -1;
const START: i64 = -2;
/// A consumer is no replica.
const CONSUMER: i32 = -1;

/// A place in a partition, to be found out as an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) start: Start,
}

/// The offsets of all places, in their order.
pub(crate) async fn look_up(client: &Client, places: &[Place]) -> Vec<Result<i64>> {
    let questions = places
        .iter()
        .map(|place| place.ask(place.timestamp()))
        .collect();
    let mut found = ask(client, questions).await;
    let (which, questions): (Vec<_>, Vec<_>) = places
        .iter()
        .zip(&found)
        .enumerate()
        .filter_map(|(i, (place, found))| Some((i, place.ask(place.second(found)?))))
        .unzip();
    let answers = ask(client, questions).await;
    for (i, answer) in which.into_iter().zip(answers) {
        if let (Some(place), Some(found)) = (places.get(i), found.get_mut(i)) {
            *found = answer.and_then(|second| Ok(place.conclude(found.clone()?, second)));
        }
    }
    found
}

impl Place {
    fn ask(&self, timestamp: i64) -> Question {
        Question {
            topic: self.topic.clone(),
            partition: self.partition,
            timestamp,
        }
    }

    /// What to ask first.
    const fn timestamp(&self) -> i64 {
        match self.start {
            Start::Earliest => START,
            Start::Latest | Start::BeforeEnd(_) | Start::Offset(_) => END,
            Start::Timestamp(time) => time,
        }
    }

    /// What else must be asked, given the first answer.
    const fn second(&self, found: &Result<i64>) -> Option<i64> {
        match (self.start, found) {
            (Start::BeforeEnd(_), Ok(_)) => Some(START),
            // No record is that young.
            (Start::Timestamp(_), Ok(..0)) => Some(END),
            _ => None,
        }
    }

    fn conclude(&self, first: i64, second: i64) -> i64 {
        match self.start {
            Start::BeforeEnd(records) => first.saturating_sub_unsigned(records).max(second),
            _ => second,
        }
    }
}

/// One entry of a request.
#[derive(Debug)]
struct Question {
    topic: Arc<str>,
    partition: i32,
    timestamp: i64,
}

/// The answers to all questions, in their order.
async fn ask(client: &Client, questions: Vec<Question>) -> Vec<Result<i64>> {
    let topology = client.topology();
    let mut by_leader: BTreeMap<i32, BTreeMap<Arc<str>, Vec<ListOffsetsPartition>>> =
        BTreeMap::new();
    for Question {
        topic,
        partition,
        timestamp,
    } in &questions
    {
        let Some((leader, current_leader_epoch)) = topology.leader(topic, *partition) else {
            continue;
        };
        let entry = ListOffsetsPartition {
            partition_index: *partition,
            current_leader_epoch,
            timestamp: *timestamp,
        };
        let topics = by_leader.entry(leader).or_default();
        topics.entry(topic.clone()).or_default().push(entry);
    }
    let mut requests = JoinSet::new();
    for (leader, topics) in by_leader {
        let client = client.clone();
        requests.spawn(async move {
            let asked: Vec<_> = topics
                .iter()
                .flat_map(|(name, all)| all.iter().map(|p| (name.clone(), p.partition_index)))
                .collect();
            (asked, ask_leader(&client, leader, topics).await)
        });
    }
    let mut answers = HashMap::new();
    while let Some(done) = requests.join_next().await {
        // A task that panicked leaves its questions without an answer.
        let Ok((asked, response)) = done else {
            continue;
        };
        match response {
            Ok(response) => take(response, &mut answers),
            Err(error) => answers.extend(asked.into_iter().map(|key| (key, Err(error.clone())))),
        }
    }
    let unanswered = |q: &Question| {
        let doing = format!("looking for an offset of {}-{}", q.topic, q.partition);
        Err(Error::broker(ErrorCode::LEADER_NOT_AVAILABLE, doing))
    };
    questions
        .into_iter()
        .map(|q| {
            let answer = answers.remove(&(q.topic.clone(), q.partition));
            answer.unwrap_or_else(|| unanswered(&q))
        })
        .collect()
}

async fn ask_leader(
    client: &Client,
    leader: i32,
    topics: BTreeMap<Arc<str>, Vec<ListOffsetsPartition>>,
) -> Result<ListOffsetsResponse> {
    let timeout = client.request_timeout();
    let topics = topics
        .into_iter()
        .map(|(name, partitions)| ListOffsetsTopic { name, partitions })
        .collect();
    let request = ListOffsetsRequest {
        replica_id: CONSUMER,
        topics,
        timeout_ms: as_millis(timeout),
        ..ListOffsetsRequest::default()
    };
    client
        .ask(leader, Arc::new(request), Use::General, timeout)
        .await
}

fn take(response: ListOffsetsResponse, answers: &mut HashMap<(Arc<str>, i32), Result<i64>>) {
    for topic in response.topics {
        for p in topic.partitions {
            let doing = || {
                format!(
                    "looking for an offset of {}-{}",
                    topic.name, p.partition_index
                )
            };
            let answer = if p.error_code.is_ok() {
                Ok(p.offset)
            } else {
                Err(Error::broker(p.error_code, doing()))
            };
            answers.insert((topic.name.clone(), p.partition_index), answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_take_one_question_or_two() {
        let place = |start| Place {
            topic: "t".into(),
            partition: 0,
            start,
        };
        assert_eq!(place(Start::Earliest).second(&Ok(5)), None);
        assert_eq!(place(Start::Timestamp(9)).second(&Ok(5)), None);
        assert_eq!(place(Start::Timestamp(9)).second(&Ok(-1)), Some(END));
        let last = place(Start::BeforeEnd(10));
        assert_eq!(last.second(&Ok(100)), Some(START));
        assert_eq!(last.conclude(100, 0), 90);
        assert_eq!(last.conclude(100, 95), 95);
        assert_eq!(place(Start::BeforeEnd(u64::MAX)).conclude(100, 0), 0);
    }
}

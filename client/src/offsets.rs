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
use tokio::{task::JoinSet, time::Instant};

use crate::{
    call::Attempt,
    client::Client,
    error::{Error, Result},
    metadata::TopologyRequest,
    net::dialer::Use,
    settings::as_millis,
};

/// The timestamps that stand for the end and the start of a log.
const END: i64 = -1;
const START: i64 = -2;
/// A consumer is no replica.
const CONSUMER: i32 = -1;

impl Client {
    /// Where a place in a partition is: its first or next offset, or the one of a time.
    ///
    /// # Errors
    /// When the topic or partition does not exist, or its leader does not say within
    /// `default.api.timeout.ms`.
    ///
    /// ```no_run
    /// # async fn example(client: ottla::Client) -> ottla::Result<()> {
    /// let end = client.offset("orders", 0, ottla::Start::Latest).await?;
    /// println!("the next record of orders-0 will be number {end}");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn offset(&self, topic: &str, partition: i32, start: Start) -> Result<i64> {
        let found = self.find_offset(topic, partition, start).await;
        found.map_err(|error| error.about(&topic.into(), partition))
    }

    async fn find_offset(&self, topic: &str, partition: i32, start: Start) -> Result<i64> {
        let deadline = self.deadline();
        let doing = || format!("looking for an offset of {topic}-{partition}");
        start
            .check()
            .map_err(|error| Error::argument(&error, doing()))?;
        let known = self.topic_with(topic, partition, doing()).await?;
        if let Start::Offset(offset) = start {
            return Ok(offset);
        }
        let place = Place {
            topic: known.name.clone(),
            partition,
            start,
        };
        self.repeat(&doing(), deadline, || self.look_up_one(&place, deadline))
            .await
    }

    async fn look_up_one(&self, place: &Place, deadline: Instant) -> Attempt<i64> {
        let found = look_up(self, std::slice::from_ref(place), deadline).await;
        match found.into_iter().next() {
            Some(Err(error)) if error.is_retriable() => {
                self.metadata().hint(TopologyRequest::Stale);
                Attempt::Again(Err(error))
            }
            Some(answer) => Attempt::Done(answer),
            None => Attempt::Done(Err(place.unanswered())),
        }
    }
}

/// A place in a partition, to be found out as an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) start: Start,
}

/// The offsets of all places, in their order. A broker that has not answered by the deadline is waited for
/// no longer.
pub(crate) async fn look_up(
    client: &Client,
    places: &[Place],
    deadline: Instant,
) -> Vec<Result<i64>> {
    let questions = places
        .iter()
        .map(|place| place.ask(place.timestamp()))
        .collect();
    let mut found = ask(client, questions, deadline).await;
    for (place, found) in places.iter().zip(&mut found) {
        place.refuse_nothing(found);
    }
    let (which, questions): (Vec<_>, Vec<_>) = places
        .iter()
        .zip(&found)
        .enumerate()
        .filter_map(|(i, (place, found))| Some((i, place.ask(place.second(found)?))))
        .unzip();
    let answers = ask(client, questions, deadline).await;
    for (i, answer) in which.into_iter().zip(answers) {
        if let (Some(place), Some(found)) = (places.get(i), found.get_mut(i)) {
            *found = answer.and_then(|second| Ok(place.conclude(found.clone()?, second)));
            if matches!(found, Ok(..0)) {
                *found = Err(place.unanswered());
            }
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

    /// An offset of -1 without an error is no answer, except to a time that no record has.
    fn refuse_nothing(&self, found: &mut Result<i64>) {
        if matches!(found, Ok(..0)) && !matches!(self.start, Start::Timestamp(_)) {
            *found = Err(self.unanswered());
        }
    }

    fn unanswered(&self) -> Error {
        let doing = format!("looking for an offset of {}-{}", self.topic, self.partition);
        Error::answered(ErrorCode::OFFSET_NOT_AVAILABLE, doing)
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
async fn ask(client: &Client, questions: Vec<Question>, deadline: Instant) -> Vec<Result<i64>> {
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
            (asked, ask_leader(&client, leader, topics, deadline).await)
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
        Err(Error::answered(ErrorCode::LEADER_NOT_AVAILABLE, doing))
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
    deadline: Instant,
) -> Result<ListOffsetsResponse> {
    let timeout = client.time_for_one(deadline);
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
        .ask(leader, Arc::new(request), Use::General, i16::MAX, timeout)
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
                Err(Error::answered(p.error_code, doing()))
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

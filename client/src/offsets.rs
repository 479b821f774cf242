//! Where the logs of partitions start, end, and were at a time: ListOffsets, one request per leader.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use ottla_core::fetcher::Start;
use ottla_protocol::{
    ErrorCode,
    messages::{
        ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
        ListedOffsetsPartition,
    },
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

/// An offset, as the leader of its partition says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundOffset {
    /// The offset.
    pub offset: i64,
    /// For a time that was looked for: the timestamp of the record there, in milliseconds since 1970.
    pub timestamp: Option<i64>,
    /// The epoch of the leader that wrote there, where the broker tells it (KIP-320).
    pub leader_epoch: Option<i32>,
}

impl FoundOffset {
    const fn at(offset: i64) -> Self {
        Self {
            offset,
            timestamp: None,
            leader_epoch: None,
        }
    }

    fn of(answer: &ListedOffsetsPartition) -> Self {
        Self {
            offset: answer.offset,
            timestamp: Some(answer.timestamp).filter(|timestamp| *timestamp >= 0),
            leader_epoch: Some(answer.leader_epoch).filter(|epoch| *epoch >= 0),
        }
    }
}

/// A leader says -1 where no record is as young as the time that was asked for.
fn is_nothing(found: &Result<FoundOffset>) -> bool {
    found.as_ref().is_ok_and(|found| found.offset < 0)
}

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

    /// Where places in many partitions are, in their order, each with its own error: one request for each
    /// leader, however many there are. `Ok(None)` is a [`Start::Timestamp`] that no record has, or a later
    /// one; [`offset`](Self::offset) has the end of the log for it.
    ///
    /// A partition whose leader does not say is asked for again, with the others, until
    /// `default.api.timeout.ms`. Dropping the future changes nothing.
    ///
    /// ```no_run
    /// # async fn example(client: ottla::Client) -> ottla::Result<()> {
    /// use ottla::Start;
    /// let time = Start::Timestamp(1_700_000_000_000);
    /// let places = (0..6).map(|partition| ("orders", partition, time));
    /// for (partition, found) in client.offsets(places).await.into_iter().enumerate() {
    ///     match found? {
    ///         Some(first) => println!("orders-{partition}: from {} on", first.offset),
    ///         None => println!("orders-{partition}: nothing since then"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn offsets<'t>(
        &self,
        places: impl IntoIterator<Item = (&'t str, i32, Start)>,
    ) -> Vec<Result<Option<FoundOffset>>> {
        let deadline = self.deadline();
        let mut found = Vec::new();
        let (mut which, mut asked) = (Vec::new(), Vec::new());
        for (topic, partition, start) in places {
            let place = Place {
                topic: topic.into(),
                partition,
                start,
                or_end: false,
            };
            found.push(match self.check_place(&place).await {
                Ok(()) => Ok(start.offset().map(FoundOffset::at)),
                Err(error) => Err(error.about(&place.topic, partition)),
            });
            if matches!(found.last(), Some(Ok(None))) {
                which.push(found.len() - 1);
                asked.push(place);
            }
        }
        for (at, answer) in which
            .into_iter()
            .zip(self.ask_for_all(&asked, deadline).await)
        {
            if let Some(found) = found.get_mut(at) {
                *found = answer;
            }
        }
        found
    }

    /// Whether there is such a partition, and the start is one that a log can have.
    async fn check_place(&self, place: &Place) -> Result<()> {
        let checked = place.start.check();
        checked.map_err(|error| Error::argument(&error, place.doing()))?;
        self.topic_with(&place.topic, place.partition, place.doing())
            .await
            .map(drop)
    }

    async fn ask_for_all(
        &self,
        places: &[Place],
        deadline: Instant,
    ) -> Vec<Result<Option<FoundOffset>>> {
        let answers = self.repeat("looking for offsets", deadline, || async {
            let found = look_up(self, places, deadline).await;
            let passes = |found: &Result<_>| found.as_ref().is_err_and(Error::is_retriable);
            if found.iter().any(passes) {
                self.metadata().hint(TopologyRequest::Stale);
                return Attempt::Again(Ok(found));
            }
            Attempt::Done(Ok(found))
        });
        // Each place has an error of its own, so there is none of all.
        let answers: Vec<Result<FoundOffset>> = answers.await.unwrap_or_default();
        let placed = places.iter().zip(answers).map(|(place, found)| {
            let found = found.map_err(|error| error.about(&place.topic, place.partition))?;
            Ok(Some(found).filter(|found| found.offset >= 0))
        });
        placed.collect()
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
            or_end: true,
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
            Some(answer) => Attempt::Done(answer.map(|found| found.offset)),
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
    /// A time that no record has is the end of the log.
    pub(crate) or_end: bool,
}

/// The offsets of all places, in their order. A broker that has not answered by the deadline is waited for
/// no longer.
pub(crate) async fn look_up(
    client: &Client,
    places: &[Place],
    deadline: Instant,
) -> Vec<Result<FoundOffset>> {
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
            if is_nothing(found) {
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
    fn second(&self, found: &Result<FoundOffset>) -> Option<i64> {
        match self.start {
            Start::BeforeEnd(_) if found.is_ok() => Some(START),
            Start::Timestamp(_) if self.or_end && is_nothing(found) => Some(END),
            _ => None,
        }
    }

    /// An offset of -1 without an error is no answer, except to a time that no record has.
    fn refuse_nothing(&self, found: &mut Result<FoundOffset>) {
        if is_nothing(found) && !matches!(self.start, Start::Timestamp(_)) {
            *found = Err(self.unanswered());
        }
    }

    fn unanswered(&self) -> Error {
        Error::answered(ErrorCode::OFFSET_NOT_AVAILABLE, self.doing())
    }

    fn doing(&self) -> String {
        format!("looking for an offset of {}-{}", self.topic, self.partition)
    }

    fn conclude(&self, first: FoundOffset, second: FoundOffset) -> FoundOffset {
        match self.start {
            Start::BeforeEnd(records) => {
                let before = first.offset.saturating_sub_unsigned(records);
                FoundOffset::at(before.max(second.offset))
            }
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

/// A partition, and how many questions about it came before: brokers refuse a request that names a
/// partition twice, so they go in requests of their own.
type Asked = (usize, Arc<str>, i32);

/// The answers to all questions, in their order.
async fn ask(
    client: &Client,
    questions: Vec<Question>,
    deadline: Instant,
) -> Vec<Result<FoundOffset>> {
    let topology = client.topology();
    let mut times = HashMap::new();
    let asked: Vec<Asked> = questions
        .iter()
        .map(|q| {
            let before: &mut usize = times.entry((&q.topic, q.partition)).or_default();
            *before += 1;
            (*before - 1, q.topic.clone(), q.partition)
        })
        .collect();
    let mut requests: BTreeMap<(i32, usize), BTreeMap<Arc<str>, Vec<ListOffsetsPartition>>> =
        BTreeMap::new();
    for (question, (turn, ..)) in questions.iter().zip(&asked) {
        let (topic, partition) = (&question.topic, question.partition);
        let Some((leader, current_leader_epoch)) = topology.leader(topic, partition) else {
            continue;
        };
        let entry = ListOffsetsPartition {
            partition_index: partition,
            current_leader_epoch,
            timestamp: question.timestamp,
        };
        let topics = requests.entry((leader, *turn)).or_default();
        topics.entry(topic.clone()).or_default().push(entry);
    }
    let mut answers = ask_leaders(client, requests, deadline).await;
    let unanswered = |(_, topic, partition): &Asked| {
        let doing = format!("looking for an offset of {topic}-{partition}");
        Err(Error::answered(ErrorCode::LEADER_NOT_AVAILABLE, doing))
    };
    let answer = |asked| answers.remove(&asked).unwrap_or_else(|| unanswered(&asked));
    asked.into_iter().map(answer).collect()
}

/// Makes the requests side by side.
async fn ask_leaders(
    client: &Client,
    requests: BTreeMap<(i32, usize), BTreeMap<Arc<str>, Vec<ListOffsetsPartition>>>,
    deadline: Instant,
) -> HashMap<Asked, Result<FoundOffset>> {
    let mut asking = JoinSet::new();
    for ((leader, turn), topics) in requests {
        let client = client.clone();
        asking.spawn(async move {
            let asked: Vec<Asked> = topics
                .iter()
                .flat_map(|(name, all)| all.iter().map(|p| (turn, name.clone(), p.partition_index)))
                .collect();
            let response = ask_leader(&client, leader, topics, deadline).await;
            (asked, turn, response)
        });
    }
    let mut answers = HashMap::new();
    while let Some(done) = asking.join_next().await {
        // A task that panicked leaves its questions without an answer.
        let Ok((asked, turn, response)) = done else {
            continue;
        };
        match response {
            Ok(response) => take(response, turn, &mut answers),
            Err(error) => answers.extend(asked.into_iter().map(|key| (key, Err(error.clone())))),
        }
    }
    answers
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

fn take(
    response: ListOffsetsResponse,
    turn: usize,
    answers: &mut HashMap<Asked, Result<FoundOffset>>,
) {
    for topic in response.topics {
        for p in topic.partitions {
            let doing = || {
                format!(
                    "looking for an offset of {}-{}",
                    topic.name, p.partition_index
                )
            };
            let answer = if p.error_code.is_ok() {
                Ok(FoundOffset::of(&p))
            } else {
                Err(Error::answered(p.error_code, doing()))
            };
            answers.insert((turn, topic.name.clone(), p.partition_index), answer);
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
            or_end: true,
        };
        let at = FoundOffset::at;
        assert_eq!(place(Start::Earliest).second(&Ok(at(5))), None);
        assert_eq!(place(Start::Timestamp(9)).second(&Ok(at(5))), None);
        assert_eq!(place(Start::Timestamp(9)).second(&Ok(at(-1))), Some(END));
        let last = place(Start::BeforeEnd(10));
        assert_eq!(last.second(&Ok(at(100))), Some(START));
        assert_eq!(last.conclude(at(100), at(0)), at(90));
        assert_eq!(last.conclude(at(100), at(95)), at(95));
        let all = place(Start::BeforeEnd(u64::MAX));
        assert_eq!(all.conclude(at(100), at(0)), at(0));
        let exact = Place {
            or_end: false,
            ..place(Start::Timestamp(9))
        };
        assert_eq!(exact.second(&Ok(at(-1))), None);
    }
}

//! What goes wrong: the dice, the hook that every request passes, and the trace of it all.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ottla::protocol::{
    ErrorCode, frame,
    messages::{
        ApiKey, FetchResponse, ProduceRequest, ProduceResponse, ProducedPartition, ProducedTopic,
    },
    records::Batches,
};
use ottla_broker::{Action, Cluster, Intercepted};
use ottla_core::backoff::Random;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};

use crate::{
    plan::{Plan, Weather},
    rates::Counts,
};

/// What can happen to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It waits at the broker, perhaps longer than the client does.
    Delay,
    /// It is neither handled nor answered.
    Drop,
    /// The connection ends before it is handled.
    CutBefore,
    /// It is handled, and the connection ends instead of the answer.
    CutAfter,
    /// It is handled twice.
    Duplicate,
    /// It is refused for now.
    Refuse,
    /// A batch is refused for good.
    RefuseForGood,
    /// The connection ends, and the batch still arrives, perhaps after the next attempt.
    Ghost,
    /// A batch is written, but the followers are slow, and so the answer is an error.
    Unreplicated,
    /// The answer leaves partitions out that were not written.
    LeaveOut,
    /// A batch may be written, and its producer is forgotten: see `Family::Forgetful`.
    Forget,
    /// What was fetched is damaged on its way.
    Damage,
}

impl Fault {
    pub(crate) const ALL: [Self; 12] = [
        Self::Delay,
        Self::Drop,
        Self::CutBefore,
        Self::CutAfter,
        Self::Duplicate,
        Self::Refuse,
        Self::RefuseForGood,
        Self::Ghost,
        Self::Unreplicated,
        Self::LeaveOut,
        Self::Forget,
        Self::Damage,
    ];

    /// How many of a thousand requests it strikes in the worst weather.
    pub(crate) const fn most_in_a_thousand(self) -> usize {
        match self {
            Self::Delay | Self::Refuse => 150,
            Self::CutBefore
            | Self::CutAfter
            | Self::Duplicate
            | Self::Ghost
            | Self::Unreplicated => 80,
            Self::Drop | Self::LeaveOut | Self::Damage => 40,
            Self::RefuseForGood | Self::Forget => 25,
        }
    }

    /// Whether the client still learns in time what became of its request.
    pub(crate) const fn is_answered(self) -> bool {
        matches!(
            self,
            Self::Delay | Self::Duplicate | Self::Refuse | Self::RefuseForGood | Self::Damage
        )
    }

    const fn strikes(self, api: ApiKey) -> bool {
        match self {
            Self::RefuseForGood
            | Self::Ghost
            | Self::Unreplicated
            | Self::LeaveOut
            | Self::Forget => matches!(api, ApiKey::Produce),
            Self::Damage => matches!(api, ApiKey::Fetch),
            _ => true,
        }
    }
}

const PRODUCE: &[ErrorCode] = &[
    ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ErrorCode::NOT_ENOUGH_REPLICAS,
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode::LEADER_NOT_AVAILABLE,
    ErrorCode::KAFKA_STORAGE_ERROR,
];
const UNREPLICATED: &[ErrorCode] = &[
    ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    ErrorCode::REQUEST_TIMED_OUT,
];
const FOR_GOOD: &[ErrorCode] = &[
    ErrorCode::TOPIC_AUTHORIZATION_FAILED,
    ErrorCode::MESSAGE_TOO_LARGE,
    ErrorCode::INVALID_RECORD,
];
const FORGOTTEN: &[ErrorCode] = &[
    ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
    ErrorCode::UNKNOWN_PRODUCER_ID,
];
const FETCH: &[ErrorCode] = &[
    ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode::UNKNOWN_LEADER_EPOCH,
    ErrorCode::KAFKA_STORAGE_ERROR,
];
const PRODUCER_ID: &[ErrorCode] = &[
    ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode::COORDINATOR_NOT_AVAILABLE,
];
const OTHERS: &[ErrorCode] = &[
    ErrorCode::LEADER_NOT_AVAILABLE,
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
];

/// What a late copy of a request calls itself.
const GHOST: &str = "ghost";
/// How long a ghost may take.
const HAUNTING: usize = 6000;

/// The source of all trouble in one run.
pub(crate) struct Faults {
    pub(crate) weather: Weather,
    cluster: Cluster,
    pub(crate) refusals: Refusals,
    counts: Mutex<Counts>,
    storm: AtomicBool,
    random: Mutex<Random>,
    started: Instant,
    started_ms: i64,
    trace: Mutex<Vec<String>>,
}

impl Faults {
    pub(crate) fn new(plan: &Plan, cluster: Cluster) -> Self {
        Self {
            weather: plan.weather.clone(),
            cluster,
            refusals: Refusals::default(),
            counts: Mutex::default(),
            storm: AtomicBool::new(false),
            random: Mutex::new(Random(!plan.seed)),
            started: Instant::now(),
            started_ms: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| d.as_millis() as i64),
            trace: Mutex::default(),
        }
    }

    /// Begins or ends the storm. Outside of it nothing goes wrong.
    pub(crate) fn set_storm(&self, storm: bool) {
        self.storm.store(storm, Ordering::Relaxed);
        self.note(format!("storm: {storm}"));
    }

    pub(crate) fn storm(&self) -> bool {
        self.storm.load(Ordering::Relaxed)
    }

    /// A timestamp for a record. From one to the next only virtual time passes, since the size of a
    /// batch depends on it.
    pub(crate) fn now_ms(&self) -> i64 {
        self.started_ms + self.started.elapsed().as_millis() as i64
    }

    pub(crate) fn note(&self, what: String) {
        let at = self.started.elapsed().as_millis();
        lock(&self.trace).push(format!("{at:>6} ms  {what}"));
    }

    pub(crate) fn trace(&self) -> Vec<String> {
        lock(&self.trace).clone()
    }

    pub(crate) fn below(&self, n: usize) -> usize {
        lock(&self.random).below(n)
    }

    /// Whether something happens now that does so many times in a thousand.
    pub(crate) fn strikes(&self, in_a_thousand: u32) -> bool {
        in_a_thousand > 0 && self.storm() && self.below(1000) < in_a_thousand as usize
    }

    pub(crate) fn up_to(&self, longest: Duration) -> Duration {
        Duration::from_millis(self.below(longest.as_millis() as usize + 1) as u64)
    }

    fn count(&self, api: ApiKey) {
        let mut counts = lock(&self.counts);
        match api {
            ApiKey::Metadata => counts.metadata += 1,
            ApiKey::Fetch => counts.fetches += 1,
            _ => {}
        }
    }

    pub(crate) fn count_connect(&self) {
        lock(&self.counts).connects += 1;
    }

    /// What was asked of the brokers until now.
    pub(crate) fn counts(&self) -> Counts {
        *lock(&self.counts)
    }

    fn one_of(&self, codes: &[ErrorCode]) -> ErrorCode {
        codes[self.below(codes.len())]
    }

    /// Decides what becomes of a request.
    pub(crate) fn decide(&self, request: &Intercepted<'_>) -> Action {
        self.count(request.api_key);
        if !self.storm() || request.client_id == Some(GHOST) {
            return Action::Pass;
        }
        let fault = self.draw(request.api_key);
        let produce = request.message::<ProduceRequest>();
        if fault.is_some() || produce.is_some() {
            self.note(describe(request, produce, fault));
        }
        match (fault, produce) {
            (None, None) => Action::Pass,
            (None, Some(produce)) => self.refusals.watch(produce),
            (Some(fault), Some(produce)) => self.strike_produce(fault, request, produce),
            (Some(fault), None) => self.strike(fault, request.api_key),
        }
    }

    fn draw(&self, api: ApiKey) -> Option<Fault> {
        let mut roll = self.below(1000) as u32;
        for (fault, rate) in &self.weather.faults {
            if !fault.strikes(api) {
                continue;
            }
            if roll < *rate {
                return Some(*fault);
            }
            roll -= rate;
        }
        None
    }

    fn strike(&self, fault: Fault, api: ApiKey) -> Action {
        match fault {
            Fault::Delay => Action::Delay(self.up_to(self.weather.delay)),
            Fault::Drop => Action::Drop,
            Fault::CutBefore => Action::CutBefore,
            Fault::CutAfter => Action::CutAfter,
            Fault::Duplicate => Action::Duplicate,
            Fault::Damage => damage(),
            _ => match api {
                ApiKey::ApiVersions => Action::CutBefore,
                ApiKey::Produce => Action::Fail(self.one_of(PRODUCE)),
                ApiKey::Fetch => Action::Fail(self.one_of(FETCH)),
                ApiKey::InitProducerId => Action::Fail(self.one_of(PRODUCER_ID)),
                _ => Action::Fail(self.one_of(OTHERS)),
            },
        }
    }

    fn strike_produce(
        &self,
        fault: Fault,
        request: &Intercepted<'_>,
        produce: &ProduceRequest,
    ) -> Action {
        match fault {
            Fault::RefuseForGood => Action::Fail(self.one_of(FOR_GOOD)),
            Fault::Ghost => {
                let after = Duration::from_millis(self.below(HAUNTING) as u64);
                self.copy(request, produce, after);
                Action::CutBefore
            }
            Fault::Unreplicated => {
                self.copy(request, produce, Duration::ZERO);
                Action::Fail(self.one_of(UNREPLICATED))
            }
            Fault::LeaveOut => Action::replace(self.half_an_answer(produce)),
            Fault::Forget => {
                if self.below(2) == 0 {
                    self.copy(request, produce, Duration::ZERO);
                }
                Action::Fail(self.one_of(FORGOTTEN))
            }
            fault => self.strike(fault, request.api_key),
        }
    }

    /// Some partitions are refused, the others not mentioned.
    fn half_an_answer(&self, request: &ProduceRequest) -> ProduceResponse {
        let mut response = ProduceResponse::default();
        for topic in &request.topic_data {
            let mentioned = topic.partition_data.iter().filter(|_| self.below(2) == 0);
            let refused = mentioned.map(|p| ProducedPartition {
                index: p.index,
                error_code: ErrorCode::NOT_LEADER_OR_FOLLOWER,
                base_offset: -1,
                ..ProducedPartition::default()
            });
            response.responses.push(ProducedTopic {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                partition_responses: refused.collect(),
            });
        }
        response
    }

    /// Brings a copy of a request to its broker, after a while, by a way of its own.
    fn copy(&self, request: &Intercepted<'_>, produce: &ProduceRequest, after: Duration) {
        let frame = frame::request(produce, request.version, Some(GHOST));
        let frame = frame.expect("it was just read");
        self.note(format!("    a copy arrives in {} ms", after.as_millis()));
        let at = usize::try_from(request.broker - 1).unwrap_or(0);
        let addresses = self.cluster.bootstrap();
        let address = addresses.split(',').nth(at).and_then(|a| a.split_once(':'));
        let (host, _) = address.expect("brokers count from 1");
        let arrival = self.cluster.connect(host, 9092);
        tokio::spawn(async move {
            sleep(after).await;
            // A broker that is down, or goes down meanwhile, gets nothing.
            let Ok(mut io) = arrival.await else { return };
            for segment in frame.into_segments() {
                if io.write_all(&segment).await.is_err() {
                    return;
                }
            }
            let _: Result<_, _> = io.read_u32().await;
        });
    }
}

/// Changes the last byte of what each partition sends.
fn damage() -> Action {
    Action::alter(|response: &mut FetchResponse| {
        let topics = response.responses.iter_mut();
        for partition in topics.flat_map(|topic| &mut topic.partitions) {
            let Some(records) = partition.records.take() else {
                continue;
            };
            let mut records = records.to_vec();
            if let Some(last) = records.last_mut() {
                *last ^= 1;
            }
            partition.records = Some(records.into());
        }
    })
}

/// The batches that brokers refused as out of order, though nothing was wrong with the requests.
#[derive(Default, Clone)]
pub(crate) struct Refusals(Arc<Mutex<Vec<String>>>);

impl Refusals {
    /// Lets a request pass, and notes what of it is refused.
    fn watch(&self, produce: &ProduceRequest) -> Action {
        let (refusals, batches) = (self.clone(), batches(produce));
        Action::inspect(move |response: &ProduceResponse| {
            let answers = response.responses.iter();
            for answer in answers.flat_map(|t| &t.partition_responses) {
                if answer.error_code == ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER {
                    let of_it = |(index, _): &&(i32, String)| *index == answer.index;
                    let refused = batches.iter().filter(of_it).map(|(_, what)| what.clone());
                    lock(&refusals.0).extend(refused);
                }
            }
        })
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.0))
    }
}

/// Who asks whom for what.
fn describe(
    request: &Intercepted<'_>,
    produce: Option<&ProduceRequest>,
    fault: Option<Fault>,
) -> String {
    let mut text = format!("{:?} to {}", request.api_key, request.broker);
    for (_, batch) in produce.into_iter().flat_map(batches) {
        text += &format!("  {batch}");
    }
    match fault {
        Some(fault) => text + &format!("  {fault:?}"),
        None => text,
    }
}

/// By partition, each batch with its producer, epoch, sequence and count.
fn batches(produce: &ProduceRequest) -> Vec<(i32, String)> {
    let mut described = Vec::new();
    for partition in produce.topic_data.iter().flat_map(|t| &t.partition_data) {
        for batch in Batches::new(partition.records.clone().unwrap_or_default()).flatten() {
            let (h, index) = (batch.header(), partition.index);
            let (id, epoch, count) = (h.producer_id, h.producer_epoch, h.last_offset_delta + 1);
            let what = format!("{id}: p{index} e{epoch} {}+{count}", h.base_sequence);
            described.push((index, what));
        }
    }
    described
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

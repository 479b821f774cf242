//! Produce: checks each batch, appends it where its partition is led, and waits for the followers
//! where the client wants that.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use ottla_protocol::{
    ErrorCode,
    messages::{
        LeaderIdAndEpoch, ProducePartition, ProduceRequest, ProduceResponse, ProduceTopic,
        ProducedPartition, ProducedTopic,
    },
    records::RawBatch,
};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::{
    dispatch::{Answer, Call, Handle},
    producers::Verdict,
    state::State,
    topic_config::TopicConfig,
    topics::{Partition, Topic},
    validation::{Refusal, validate},
};

/// The first version that names the leader to go to (KIP-951).
const LEADER_FROM: i16 = 10;
/// All replicas in sync must have a batch before it is acknowledged.
const ALL: i16 = -1;

impl Handle for ProduceRequest {
    async fn handle(self, mut call: Call<'_>) -> Answer<ProduceResponse> {
        if !(-1..=1).contains(&self.acks) {
            return self.refuse(ErrorCode::INVALID_REQUIRED_ACKS, call.version);
        }
        let acks = self.acks;
        let topics = self.topic_data.into_iter();
        let mut written: Vec<_> = topics.map(|t| produce(t, acks, &mut call)).collect();
        if acks == ALL {
            let wait = Duration::from_millis(self.timeout_ms.max(0) as u64);
            await_replicas(&mut written, wait, &call).await;
        }
        answer(written, acks, &call)
    }

    fn refuse(&self, code: ErrorCode, _: i16) -> Answer<ProduceResponse> {
        if self.acks == 0 {
            return Answer::Close("a refused request that wants no answer");
        }
        let partition = |p: &ProducePartition| refused(p.index, code);
        let topic = |t: &ProduceTopic| ProducedTopic {
            name: t.name.clone(),
            topic_id: t.topic_id,
            partition_responses: t.partition_data.iter().map(partition).collect(),
        };
        Answer::Response(ProduceResponse {
            responses: self.topic_data.iter().map(topic).collect(),
            ..ProduceResponse::default()
        })
    }
}

/// What was done for a topic.
struct Written {
    name: Arc<str>,
    topic_id: Uuid,
    partitions: Vec<Produced>,
}

/// What was done for a partition.
struct Produced {
    answer: ProducedPartition,
    /// What was appended, until it is acknowledged.
    appended: Option<Appended>,
}

/// A batch at its place in the log of a leader.
struct Appended {
    leader_epoch: i32,
    /// The offset after its last.
    end: i64,
}

/// Who wants no answer learns of an error by the end of the connection.
fn answer(written: Vec<Written>, acks: i16, call: &Call<'_>) -> Answer<ProduceResponse> {
    let mut answers = written
        .iter()
        .flat_map(|t| &t.partitions)
        .map(|p| &p.answer);
    if acks == 0 {
        return match answers.all(|p| p.error_code.is_ok()) {
            true => Answer::Nothing,
            false => Answer::Close("a batch was refused, and no answer is wanted"),
        };
    }
    let leaders: Vec<_> = answers.map(|p| p.current_leader.leader_id).collect();
    let topic = |written: Written| ProducedTopic {
        name: written.name,
        topic_id: written.topic_id,
        partition_responses: written.partitions.into_iter().map(|p| p.answer).collect(),
    };
    Answer::Response(ProduceResponse {
        responses: written.into_iter().map(topic).collect(),
        node_endpoints: call.shared.state().endpoints(leaders),
        ..ProduceResponse::default()
    })
}

fn produce(topic: ProduceTopic, acks: i16, call: &mut Call<'_>) -> Written {
    let ProduceTopic {
        name,
        topic_id,
        partition_data,
    } = topic;
    let place = Place {
        name: &name,
        topic_id,
        acks,
    };
    let partitions = partition_data.into_iter();
    let partitions = partitions.map(|p| place.produce(p, call)).collect();
    Written {
        name,
        topic_id,
        partitions,
    }
}

/// Waits until all replicas in sync have what was appended, or this time is over: then nobody knows
/// whether they will.
async fn await_replicas(written: &mut [Written], wait: Duration, call: &Call<'_>) {
    let deadline = Instant::now() + wait;
    loop {
        let is_late = Instant::now() >= deadline;
        let pending = {
            let mut state = call.shared.state();
            let topics = written.iter_mut();
            topics.fold(0, |n, t| n + t.look(is_late, call, &mut state))
        };
        if pending == 0 {
            return;
        }
        // What happens after the look wakes.
        let _: Result<(), _> = timeout_at(deadline, call.wake.notified()).await;
    }
}

impl Written {
    /// Acknowledges what may be, or says why it never will be; returns how many are left.
    fn look(&mut self, is_late: bool, call: &Call<'_>, state: &mut State) -> usize {
        let mut topic = state.topics.asked_mut(&self.name, self.topic_id);
        let mut pending = 0;
        for Produced { answer, appended } in &mut self.partitions {
            let Some(batch) = appended else { continue };
            let outcome = match &mut topic {
                Ok(topic) => batch.outcome(topic, answer.index, call),
                Err(code) => Some(*code),
            };
            match outcome.or_else(|| is_late.then_some(ErrorCode::REQUEST_TIMED_OUT)) {
                // The offset is said whatever came after it, as Kafka does.
                Some(code) => (answer.error_code, *appended) = (code, None),
                None => pending += 1,
            }
        }
        pending
    }
}

impl Appended {
    /// Whether it is acknowledged, or why it never will be; nothing while that is open.
    fn outcome(&self, topic: &mut Topic, index: i32, call: &Call<'_>) -> Option<ErrorCode> {
        let min_insync_replicas = topic.config.min_insync_replicas;
        let Some(partition) = topic.partition_mut(index) else {
            return Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        };
        if partition.leader_epoch != self.leader_epoch {
            // Perhaps the next leader has it.
            return Some(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        if partition.log.high_watermark() < self.end {
            partition.waiters.add(call.wake);
            return None;
        }
        let enough = partition.in_sync.len() >= min_insync_replicas;
        Some(if enough {
            ErrorCode::NONE
        } else {
            ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
        })
    }
}

/// The topic that is written to.
struct Place<'a> {
    name: &'a Arc<str>,
    topic_id: Uuid,
    acks: i16,
}

impl Place<'_> {
    /// Checks the batch between two looks at the state, since that takes its time.
    fn produce(&self, asked: ProducePartition, call: &mut Call<'_>) -> Produced {
        let ProducePartition { index, records } = asked;
        let result = self
            .config(index, call)
            .and_then(|config| checked(records, &config, call))
            .and_then(|batch| self.append(index, &batch, call));
        result.unwrap_or_else(|refused| Produced {
            answer: ProducedPartition { index, ..refused },
            appended: None,
        })
    }

    fn config(&self, index: i32, call: &Call<'_>) -> Result<Arc<TopicConfig>, ProducedPartition> {
        let mut state = call.shared.retained_state();
        self.find(index, call, &mut state).map(|(_, config)| config)
    }

    fn find<'s>(
        &self,
        index: i32,
        call: &Call<'_>,
        state: &'s mut State,
    ) -> Result<(&'s mut Partition, Arc<TopicConfig>), ProducedPartition> {
        let topic = state.topics.asked_mut(self.name, self.topic_id);
        let topic = topic.map_err(|code| refused(index, code))?;
        let config = topic.config.clone();
        let unknown = || refused(index, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        let partition = topic.partition_mut(index).ok_or_else(unknown)?;
        if let Err(code) = partition.check_leader(call.broker, -1) {
            let told = call.version >= LEADER_FROM;
            let leader = told.then(|| partition.current_leader());
            let current_leader = leader.unwrap_or_default();
            return Err(ProducedPartition {
                current_leader,
                ..refused(index, code)
            });
        }
        if self.acks == ALL && partition.in_sync.len() < config.min_insync_replicas {
            return Err(refused(index, ErrorCode::NOT_ENOUGH_REPLICAS));
        }
        Ok((partition, config))
    }

    fn append(
        &self,
        index: i32,
        batch: &RawBatch,
        call: &Call<'_>,
    ) -> Result<Produced, ProducedPartition> {
        let mut state = call.shared.state();
        let now_ms = call.shared.clock.now_ms();
        let (partition, config) = self.find(index, call, &mut state)?;
        let (base_offset, log_append_time_ms) = match partition.judge(batch) {
            Verdict::Refuse(code) => return Err(refused(index, code)),
            Verdict::Duplicate(written) => (written.base_offset, written.append_time_ms),
            Verdict::Append => {
                let time = if config.append_time { now_ms } else { -1 };
                (partition.append(batch, &config, now_ms), time)
            }
        };
        let appended = Appended {
            leader_epoch: partition.leader_epoch,
            end: base_offset + i64::from(batch.header().last_offset_delta) + 1,
        };
        let answer = ProducedPartition {
            index,
            base_offset,
            log_append_time_ms,
            log_start_offset: partition.log.start(),
            ..ProducedPartition::default()
        };
        Ok(Produced {
            answer,
            appended: Some(appended),
        })
    }
}

fn checked(
    records: Option<Bytes>,
    config: &TopicConfig,
    call: &mut Call<'_>,
) -> Result<RawBatch, ProducedPartition> {
    let now_ms = call.shared.clock.now_ms();
    let batch = validate(records, call.version, config, now_ms, call.decompressor);
    batch.map_err(
        |Refusal {
             code,
             message,
             records,
         }| ProducedPartition {
            error_message: Some(message.into()),
            record_errors: records,
            ..refused(0, code)
        },
    )
}

fn refused(index: i32, code: ErrorCode) -> ProducedPartition {
    ProducedPartition {
        index,
        error_code: code,
        base_offset: -1,
        current_leader: LeaderIdAndEpoch::default(),
        ..ProducedPartition::default()
    }
}

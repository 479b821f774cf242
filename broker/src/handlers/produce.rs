//! Produce: checks each batch, and appends it where its partition is led.

use std::sync::Arc;

use bytes::Bytes;
use ottla_protocol::{
    ErrorCode,
    messages::{
        LeaderIdAndEpoch, ProducePartition, ProduceRequest, ProduceResponse, ProduceTopic,
        ProducedPartition, ProducedTopic,
    },
    records::RawBatch,
};

use crate::{
    dispatch::{Answer, Call, Handle},
    producers::Verdict,
    state::State,
    topic_config::TopicConfig,
    topics::Partition,
    validation::{Refusal, validate},
};

/// The first version that names the leader to go to (KIP-951).
const LEADER_FROM: i16 = 10;

impl Handle for ProduceRequest {
    async fn handle(self, mut call: Call<'_>) -> Answer<ProduceResponse> {
        if !(-1..=1).contains(&self.acks) {
            return self.refuse(ErrorCode::INVALID_REQUIRED_ACKS, call.version);
        }
        let acks = self.acks;
        let topics = self.topic_data.into_iter();
        let response = ProduceResponse {
            responses: topics.map(|t| produce(t, acks, &mut call)).collect(),
            ..ProduceResponse::default()
        };
        answer(response, acks, &call)
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

/// Who wants no answer learns of an error by the end of the connection.
fn answer(mut response: ProduceResponse, acks: i16, call: &Call<'_>) -> Answer<ProduceResponse> {
    let mut partitions = response
        .responses
        .iter()
        .flat_map(|t| &t.partition_responses);
    if acks == 0 {
        return match partitions.all(|p| p.error_code.is_ok()) {
            true => Answer::Nothing,
            false => Answer::Close("a batch was refused, and no answer is wanted"),
        };
    }
    let leaders: Vec<_> = partitions.map(|p| p.current_leader.leader_id).collect();
    response.node_endpoints = call.shared.state().endpoints(leaders);
    Answer::Response(response)
}

fn produce(topic: ProduceTopic, acks: i16, call: &mut Call<'_>) -> ProducedTopic {
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
    let partition_responses = partitions.map(|p| place.produce(p, call)).collect();
    ProducedTopic {
        name,
        topic_id,
        partition_responses,
    }
}

/// The topic that is written to.
struct Place<'a> {
    name: &'a Arc<str>,
    topic_id: uuid::Uuid,
    acks: i16,
}

impl Place<'_> {
    /// Checks the batch between two looks at the state, since that takes its time.
    fn produce(&self, asked: ProducePartition, call: &mut Call<'_>) -> ProducedPartition {
        let ProducePartition { index, records } = asked;
        let result = self
            .config(index, call)
            .and_then(|config| checked(records, &config, call))
            .and_then(|batch| self.append(index, &batch, call));
        result.unwrap_or_else(|mut refused| {
            refused.index = index;
            refused
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
        if self.acks == -1 && partition.in_sync.len() < config.min_insync_replicas {
            return Err(refused(index, ErrorCode::NOT_ENOUGH_REPLICAS));
        }
        Ok((partition, config))
    }

    fn append(
        &self,
        index: i32,
        batch: &RawBatch,
        call: &Call<'_>,
    ) -> Result<ProducedPartition, ProducedPartition> {
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
        Ok(ProducedPartition {
            index,
            base_offset,
            log_append_time_ms,
            log_start_offset: partition.log.start(),
            ..ProducedPartition::default()
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

//! OffsetCommit of a consumer that is no member of its group: the membership of groups is not
//! served yet, so every group is empty.

use std::sync::Arc;

use ottla_protocol::{
    ErrorCode,
    messages::{
        OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
        OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
    },
};

use crate::{
    dispatch::{Answer, Call, Handle},
    groups::Committed,
    state::State,
};

/// The first version that is told of an unknown group by name (KIP-848).
const GROUP_NOT_FOUND_FROM: i16 = 9;

impl Handle for OffsetCommitRequest {
    async fn handle(self, call: Call<'_>) -> Answer<OffsetCommitResponse> {
        let mut state = call.shared.state();
        let coordinator = state.coordinator(&self.group_id).map(|b| b.id);
        if coordinator != Some(call.broker) {
            return self.refuse(ErrorCode::NOT_COORDINATOR, call.version);
        }
        if self.generation_id_or_member_epoch >= 0 {
            let named = call.version >= GROUP_NOT_FOUND_FROM;
            let code = if named {
                ErrorCode::GROUP_ID_NOT_FOUND
            } else {
                ErrorCode::ILLEGAL_GENERATION
            };
            return self.refuse(code, call.version);
        }
        let most = call.shared.settings.offset_metadata_max_bytes;
        Answer::Response(answer(&self, |topic, partition| {
            let done = commit(&self.group_id, topic, partition, most, &mut state);
            done.err().unwrap_or_default()
        }))
    }

    fn refuse(&self, code: ErrorCode, _: i16) -> Answer<OffsetCommitResponse> {
        Answer::Response(answer(self, |_, _| code))
    }
}

fn commit(
    group: &Arc<str>,
    topic: &OffsetCommitRequestTopic,
    partition: &OffsetCommitRequestPartition,
    max_metadata: usize,
    state: &mut State,
) -> Result<(), ErrorCode> {
    let known = state.topics.asked(&topic.name, topic.topic_id)?;
    let index = partition.partition_index;
    known
        .partition(index)
        .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let metadata = partition.committed_metadata.clone().unwrap_or_default();
    if metadata.len() > max_metadata {
        return Err(ErrorCode::OFFSET_METADATA_TOO_LARGE);
    }
    let name = known.name.clone();
    let committed = Committed {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata,
    };
    state.groups.commit(group, name, index, committed);
    Ok(())
}

/// The response with a code for each partition.
fn answer(
    request: &OffsetCommitRequest,
    mut code: impl FnMut(&OffsetCommitRequestTopic, &OffsetCommitRequestPartition) -> ErrorCode,
) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .map(|p| OffsetCommitResponsePartition {
                partition_index: p.partition_index,
                error_code: code(topic, p),
            });
        OffsetCommitResponseTopic {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: partitions.collect(),
        }
    });
    OffsetCommitResponse {
        topics: topics.collect(),
        ..OffsetCommitResponse::default()
    }
}

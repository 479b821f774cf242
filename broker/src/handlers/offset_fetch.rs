//! OffsetFetch: what groups have committed, of some partitions or of all.
//!
//! Version 8 asks for many groups at once (KIP-709); older ones are read as one group of that kind,
//! and their answer is spelled back. Nothing is ever pending, so `require_stable` is always kept.

use std::sync::Arc;

use ottla_protocol::{
    ErrorCode,
    messages::{
        OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic,
        OffsetFetchRequestTopics, OffsetFetchResponse, OffsetFetchResponseGroup,
        OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
        OffsetFetchResponseTopics,
    },
};

use crate::{
    dispatch::{Answer, Call, Handle},
    groups::Committed,
    state::State,
};

/// The first versions with an error for the whole group, with many groups, and with topic ids.
const ERROR_FROM: i16 = 2;
const MANY_FROM: i16 = 8;
const IDS_FROM: i16 = 10;

impl Handle for OffsetFetchRequest {
    async fn handle(self, call: Call<'_>) -> Answer<OffsetFetchResponse> {
        let state = call.shared.state();
        let fetch = |group: &OffsetFetchRequestGroup| {
            let coordinator = state.coordinator(&group.group_id);
            if coordinator.is_some_and(|b| b.id == call.broker) {
                fetch(group, call.version, &state)
            } else {
                refused(group, ErrorCode::NOT_COORDINATOR)
            }
        };
        Answer::Response(spell(
            groups(self, call.version).iter().map(fetch),
            call.version,
        ))
    }

    fn refuse(&self, code: ErrorCode, version: i16) -> Answer<OffsetFetchResponse> {
        let groups = groups(self.clone(), version);
        let refused = groups.iter().map(|g| refused(g, code));
        Answer::Response(spell(refused, version))
    }
}

/// The groups of a request, however its version spells them.
fn groups(request: OffsetFetchRequest, version: i16) -> Vec<OffsetFetchRequestGroup> {
    if version >= MANY_FROM {
        return request.groups;
    }
    let topic = |t: OffsetFetchRequestTopic| OffsetFetchRequestTopics {
        name: t.name,
        partition_indexes: t.partition_indexes,
        ..OffsetFetchRequestTopics::default()
    };
    let topics = request.topics;
    vec![OffsetFetchRequestGroup {
        group_id: request.group_id,
        topics: topics.map(|topics| topics.into_iter().map(topic).collect()),
        ..OffsetFetchRequestGroup::default()
    }]
}

fn fetch(group: &OffsetFetchRequestGroup, version: i16, state: &State) -> OffsetFetchResponseGroup {
    let topics = match &group.topics {
        None => everything(&group.group_id, state),
        Some(topics) => {
            let one = |t| fetch_topic(&group.group_id, t, version, state);
            topics.iter().map(one).collect()
        }
    };
    OffsetFetchResponseGroup {
        group_id: group.group_id.clone(),
        topics,
        ..OffsetFetchResponseGroup::default()
    }
}

fn everything(group: &str, state: &State) -> Vec<OffsetFetchResponseTopics> {
    let topics = state.groups.offsets(group).into_iter().flatten();
    let topic = |(name, partitions): (&Arc<str>, &std::collections::BTreeMap<i32, Committed>)| {
        let partitions = partitions.iter().map(|(i, c)| committed(*i, Some(c)));
        OffsetFetchResponseTopics {
            name: name.clone(),
            topic_id: state.topics.named(name).map(|t| t.id).unwrap_or_default(),
            partitions: partitions.collect(),
        }
    };
    topics.map(topic).collect()
}

fn fetch_topic(
    group: &str,
    asked: &OffsetFetchRequestTopics,
    version: i16,
    state: &State,
) -> OffsetFetchResponseTopics {
    let indexes = asked.partition_indexes.iter().copied();
    let name = match state.topics.with_id(asked.topic_id) {
        Some(topic) => topic.name.clone(),
        None if version >= IDS_FROM => {
            return topic(
                asked,
                indexes.map(|i| unknown(i, ErrorCode::UNKNOWN_TOPIC_ID)),
            );
        }
        None => asked.name.clone(),
    };
    let of = |i| committed(i, state.groups.committed(group, &name, i));
    topic(asked, indexes.map(of))
}

fn refused(group: &OffsetFetchRequestGroup, code: ErrorCode) -> OffsetFetchResponseGroup {
    let topics = group.topics.iter().flatten();
    let refused = |t: &OffsetFetchRequestTopics| {
        topic(t, t.partition_indexes.iter().map(|i| unknown(*i, code)))
    };
    OffsetFetchResponseGroup {
        group_id: group.group_id.clone(),
        topics: topics.map(refused).collect(),
        error_code: code,
    }
}

fn topic(
    asked: &OffsetFetchRequestTopics,
    partitions: impl Iterator<Item = OffsetFetchResponsePartitions>,
) -> OffsetFetchResponseTopics {
    OffsetFetchResponseTopics {
        name: asked.name.clone(),
        topic_id: asked.topic_id,
        partitions: partitions.collect(),
    }
}

fn committed(index: i32, committed: Option<&Committed>) -> OffsetFetchResponsePartitions {
    let Some(committed) = committed else {
        return unknown(index, ErrorCode::NONE);
    };
    OffsetFetchResponsePartitions {
        partition_index: index,
        committed_offset: committed.offset,
        committed_leader_epoch: committed.leader_epoch,
        metadata: Some(committed.metadata.clone()),
        error_code: ErrorCode::NONE,
    }
}

fn unknown(index: i32, code: ErrorCode) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index: index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some("".into()),
        error_code: code,
    }
}

/// The answer as the version spells it.
fn spell(
    groups: impl Iterator<Item = OffsetFetchResponseGroup>,
    version: i16,
) -> OffsetFetchResponse {
    let groups: Vec<_> = groups.collect();
    if version >= MANY_FROM {
        return OffsetFetchResponse {
            groups,
            ..OffsetFetchResponse::default()
        };
    }
    let mut response = OffsetFetchResponse::default();
    for group in groups {
        if version >= ERROR_FROM {
            response.error_code = group.error_code;
        }
        response
            .topics
            .extend(group.topics.into_iter().map(spell_topic));
    }
    response
}

fn spell_topic(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    let partitions = topic
        .partitions
        .into_iter()
        .map(|p| OffsetFetchResponsePartition {
            partition_index: p.partition_index,
            committed_offset: p.committed_offset,
            committed_leader_epoch: p.committed_leader_epoch,
            metadata: p.metadata,
            error_code: p.error_code,
        });
    OffsetFetchResponseTopic {
        name: topic.name,
        partitions: partitions.collect(),
    }
}

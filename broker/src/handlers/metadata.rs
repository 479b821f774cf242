//! Metadata: brokers, topics and leaders. Topics that are asked for by name may be made on the way.

use std::sync::Arc;

use ottla_protocol::{
    ErrorCode,
    messages::{
        MetadataBroker, MetadataPartition, MetadataRequest, MetadataRequestTopic, MetadataResponse,
        MetadataTopic,
    },
};

use crate::{
    creation::{Plan, check_name},
    dispatch::{Answer, Call, Handle},
    settings::Settings,
    starting::creatable,
    state::State,
    topics::{NO_LEADER, Partition, Topic},
};

/// The first version that may name topics by their id (KIP-516).
const IDS_FROM: i16 = 12;
/// What everybody may do, as bits (`AclOperation`): all that there is for the kind of resource.
const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;
const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;

impl Handle for MetadataRequest {
    async fn handle(self, call: Call<'_>) -> Answer<MetadataResponse> {
        let mut state = call.shared.state();
        let settings = &call.shared.settings;
        let create = self.allow_auto_topic_creation && settings.auto_create_topics;
        let mut topics = match asked(&self, call.version) {
            None => state.topics.iter().map(|t| known(t, &state)).collect(),
            Some(asked) => {
                let one = |t: &MetadataRequestTopic| {
                    if create {
                        auto_create(t, &mut state, settings);
                    }
                    find(t, call.version, &state)
                };
                asked.iter().map(one).collect::<Vec<_>>()
            }
        };
        if self.include_topic_authorized_operations {
            for topic in topics.iter_mut().filter(|t| t.error_code.is_ok()) {
                topic.topic_authorized_operations = TOPIC_OPERATIONS;
            }
        }
        let mut response = brokers(&state, &call.shared.cluster_id, call.version);
        if self.include_cluster_authorized_operations {
            response.cluster_authorized_operations = CLUSTER_OPERATIONS;
        }
        response.topics = topics;
        Answer::Response(response)
    }

    fn refuse(&self, code: ErrorCode, version: i16) -> Answer<MetadataResponse> {
        let asked = self.topics.iter().flatten();
        Answer::Response(MetadataResponse {
            topics: asked.map(|t| refused(t, code, version)).collect(),
            error_code: code,
            ..MetadataResponse::default()
        })
    }
}

/// The topics that are asked for; `None` is all.
fn asked(request: &MetadataRequest, version: i16) -> Option<&[MetadataRequestTopic]> {
    let topics = request.topics.as_deref()?;
    (version > 0 || !topics.is_empty()).then_some(topics)
}

fn brokers(state: &State, cluster_id: &str, version: i16) -> MetadataResponse {
    let broker = |b: &crate::brokers::Broker| MetadataBroker {
        node_id: b.id,
        host: b.host.clone(),
        port: b.port.into(),
        rack: Some(b.rack()),
    };
    let controller = state.running().next();
    MetadataResponse {
        brokers: state.running().map(broker).collect(),
        cluster_id: (version >= 2).then(|| cluster_id.into()),
        controller_id: controller.map_or(-1, |b| b.id),
        ..MetadataResponse::default()
    }
}

fn find(asked: &MetadataRequestTopic, version: i16, state: &State) -> MetadataTopic {
    if asked.name.is_none() || !asked.topic_id.is_nil() {
        if version < IDS_FROM || asked.topic_id.is_nil() {
            return refused(asked, ErrorCode::INVALID_REQUEST, version);
        }
        return match state.topics.with_id(asked.topic_id) {
            Some(topic) => known(topic, state),
            None => refused(asked, ErrorCode::UNKNOWN_TOPIC_ID, version),
        };
    }
    let name = asked.name.as_deref().unwrap_or_default();
    match (state.topics.named(name), check_name(name)) {
        (Some(topic), _) => known(topic, state),
        (None, Ok(())) => refused(asked, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, version),
        (None, Err((code, _))) => refused(asked, code, version),
    }
}

/// Makes a topic with the broker's defaults. Where that does not work the topic stays unknown.
fn auto_create(asked: &MetadataRequestTopic, state: &mut State, settings: &Settings) {
    let Some(name) = asked.name.as_deref() else {
        return;
    };
    if !asked.topic_id.is_nil() || state.topics.named(name).is_some() {
        return;
    }
    match Plan::new(&creatable(name, -1, &[]), state, settings) {
        Ok(plan) => plan.carry_out(state),
        Err((code, message)) => tracing::debug!(name, %code, message, "no topic was made"),
    }
}

fn refused(asked: &MetadataRequestTopic, code: ErrorCode, version: i16) -> MetadataTopic {
    let nameless = || (version < IDS_FROM).then(|| "".into());
    MetadataTopic {
        error_code: code,
        name: asked.name.clone().or_else(nameless),
        topic_id: asked.topic_id,
        ..MetadataTopic::default()
    }
}

fn known(topic: &Topic, state: &State) -> MetadataTopic {
    let partitions = (0..).zip(&topic.partitions);
    MetadataTopic {
        name: Some(Arc::clone(&topic.name)),
        topic_id: topic.id,
        partitions: partitions.map(|(i, p)| partition(i, p, state)).collect(),
        ..MetadataTopic::default()
    }
}

fn partition(index: i32, partition: &Partition, state: &State) -> MetadataPartition {
    let runs = |id: i32| state.running().any(|b| b.id == id);
    let replicas = partition.brokers.iter().copied();
    MetadataPartition {
        error_code: if partition.leader == NO_LEADER {
            ErrorCode::LEADER_NOT_AVAILABLE
        } else {
            ErrorCode::NONE
        },
        partition_index: index,
        leader_id: partition.leader,
        leader_epoch: partition.leader_epoch,
        replica_nodes: partition.brokers.clone(),
        isr_nodes: partition.in_sync.clone(),
        offline_replicas: replicas.filter(|id| !runs(*id)).collect(),
    }
}

//! Any request of the protocol, by hand.

use std::time::Duration;

use ottla::{
    CoordinatorType, ErrorKind,
    protocol::{
        ErrorCode,
        messages::{
            ApiVersionsRequest, InitProducerIdRequest, MetadataRequest, OffsetCommitRequest,
            OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetFetchRequest,
            OffsetFetchRequestGroup, WriteTxnMarkersRequest,
        },
    },
};
use ottla_tests::{Target, delete, on_every_cluster};

on_every_cluster! {
    metadata_of_all_topics_names_a_new_one_until_it_is_deleted
    offsets_of_a_group_are_kept_and_told
    a_producer_id_is_handed_out_once
    many_requests_at_once_are_each_answered
    a_broker_that_does_not_exist_is_named
}

async fn metadata_of_all_topics_names_a_new_one_until_it_is_deleted(target: Target) {
    let (client, topic) = target.topic(2).await;
    let all = MetadataRequest {
        topics: None,
        ..MetadataRequest::default()
    };
    let listed = async || {
        let answer = client
            .request_controller(all.clone())
            .await
            .expect("it answers");
        answer
            .topics
            .into_iter()
            .find(|t| t.name.as_deref() == Some(&topic))
    };
    assert_eq!(listed().await.expect("it is there").partitions.len(), 2);
    delete(&client, &topic).await;
    // Brokers hear of a deletion a moment after the controller has made it.
    while listed().await.is_some() {
        tokio::task::yield_now().await;
    }
}

async fn offsets_of_a_group_are_kept_and_told(target: Target) {
    let (client, topic) = target.topic(1).await;
    let topic_id = client.topic(&topic).await.expect("it is there").id;
    let group = format!("group-of-{topic}");
    let commit = OffsetCommitRequest {
        group_id: group.as_str().into(),
        topics: vec![OffsetCommitRequestTopic {
            name: topic.as_str().into(),
            topic_id,
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: 0,
                committed_offset: 42,
                committed_metadata: Some("so far".into()),
                ..OffsetCommitRequestPartition::default()
            }],
        }],
        ..OffsetCommitRequest::default()
    };
    let kind = CoordinatorType::Group;
    // Kafka creates the topic of offsets on first use, and a new coordinator loads first.
    let answer = client.request_coordinator(kind, &group, commit).await;
    let committed = &answer.expect("it answers").topics[0].partitions[0];
    assert_eq!(committed.error_code, ErrorCode::NONE);
    let fetch = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: group.as_str().into(),
            topics: None,
            ..OffsetFetchRequestGroup::default()
        }],
        ..OffsetFetchRequest::default()
    };
    let answer = client.request_coordinator(kind, &group, fetch).await;
    let answer = answer.expect("it answers");
    let kept = &answer.groups[0].topics[0].partitions[0];
    assert_eq!(
        (kept.committed_offset, kept.metadata.as_deref()),
        (42, Some("so far"))
    );
}

async fn a_producer_id_is_handed_out_once(target: Target) {
    let client = target.client().await;
    let ask = || InitProducerIdRequest {
        transaction_timeout_ms: i32::MAX,
        ..InitProducerIdRequest::default()
    };
    let first = client.request(ask()).await.expect("it answers");
    let second = client.request(ask()).await.expect("it answers");
    assert!(first.error_code.is_ok() && second.error_code.is_ok());
    assert_ne!(first.producer_id, second.producer_id);
    assert_eq!((first.producer_epoch, second.producer_epoch), (0, 0));
}

async fn many_requests_at_once_are_each_answered(target: Target) {
    let client = target.client().await;
    let mut waiting = tokio::task::JoinSet::new();
    for n in 0..500 {
        let client = client.clone();
        waiting.spawn(async move {
            let topic = format!("no-such-topic-{n}");
            let request = MetadataRequest {
                topics: Some(vec![ottla::protocol::messages::MetadataRequestTopic {
                    name: Some(topic.as_str().into()),
                    ..Default::default()
                }]),
                allow_auto_topic_creation: false,
                ..MetadataRequest::default()
            };
            let answer = client.request(request).await.expect("it answers");
            assert_eq!(answer.topics[0].name.as_deref(), Some(topic.as_str()));
            assert_eq!(
                answer.topics[0].error_code,
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            );
        });
    }
    while let Some(done) = waiting.join_next().await {
        done.expect("each has its own answer");
    }
}

async fn a_broker_that_does_not_exist_is_named(target: Target) {
    let client = target
        .client_builder()
        .api_timeout(Duration::from_millis(1500))
        .connect()
        .await
        .expect("the cluster is reached");
    let error = client
        .request_broker(77, ApiVersionsRequest::default())
        .await;
    let error = error.expect_err("there is none").to_string();
    assert!(error.contains("broker 77"), "{error}");
}

/// What only the embedded broker can be relied on not to speak.
#[tokio::test]
async fn an_api_that_a_broker_does_not_offer_is_named() {
    let client = Target::in_memory(1).await.client().await;
    let error = client.request(WriteTxnMarkersRequest::default()).await;
    let error = error.expect_err("it is not offered");
    assert!(matches!(error.kind(), ErrorKind::Version(_)));
    assert!(error.to_string().contains("WriteTxnMarkers"), "{error}");
}

//! Any request of the protocol, by hand.

use std::time::Duration;

use ottla::{
    Client, Compression, CoordinatorType, ErrorKind, Producer, Record,
    protocol::{
        ErrorCode,
        messages::{
            ApiVersionsRequest, CreatableTopic, CreateTopicsRequest, InitProducerIdRequest,
            MetadataRequest, MetadataRequestTopic, OffsetCommitRequest,
            OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetFetchRequest,
            OffsetFetchRequestGroup, OffsetForLeaderEpochRequest, OffsetForLeaderPartition,
            OffsetForLeaderTopic, ProducePartition, ProduceRequest, ProduceTopic,
            WriteTxnMarkersRequest,
        },
        records::{BatchBuilder, Compressor, NewRecord, ProducerStamp},
    },
};
use ottla_tests::{Target, delete, on_every_cluster};

on_every_cluster! {
    metadata_of_all_topics_names_a_new_one_until_it_is_deleted
    offsets_of_a_group_are_kept_and_told
    a_producer_id_is_handed_out_once
    many_requests_at_once_are_each_answered
    a_broker_that_does_not_exist_is_named
    the_end_of_a_leader_epoch_is_told
    a_batch_of_linked_lz4_blocks_is_refused
    names_that_no_topic_can_have_are_refused_by_the_broker
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
                topics: Some(vec![MetadataRequestTopic {
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

/// The leader of the topic's only partition, and its epoch.
async fn leader(client: &Client, topic: &str) -> (i32, i32) {
    client.topic(topic).await.expect("it was created");
    let leader = client.topology().leader(topic, 0);
    leader.expect("it has one")
}

async fn the_end_of_a_leader_epoch_is_told(target: Target) {
    let (client, topic) = target.topic(1).await;
    let (broker, epoch) = leader(&client, &topic).await;
    let producer = Producer::builder(&client).build().expect("it builds");
    for _ in 0..3 {
        let delivery = producer.send(Record::to(&topic).value("x")).await;
        delivery.expect("it is taken").await.expect("it is written");
    }
    let end = async |partition, current_leader_epoch, leader_epoch| {
        let request = OffsetForLeaderEpochRequest {
            topics: vec![OffsetForLeaderTopic {
                topic: topic.as_str().into(),
                partitions: vec![OffsetForLeaderPartition {
                    partition,
                    current_leader_epoch,
                    leader_epoch,
                }],
            }],
            ..OffsetForLeaderEpochRequest::default()
        };
        let answer = client.request_broker(broker, request).await;
        let answer = answer.expect("it answers");
        let found = &answer.topics[0].partitions[0];
        (found.error_code, found.leader_epoch, found.end_offset)
    };
    let (none, unknown) = (ErrorCode::NONE, ErrorCode::UNKNOWN_LEADER_EPOCH);
    assert_eq!(end(0, -1, epoch).await, (none, epoch, 3));
    assert_eq!(end(0, epoch, epoch).await, (none, epoch, 3));
    assert_eq!(end(0, epoch, epoch + 1).await, (none, -1, -1));
    assert_eq!(end(0, epoch, -1).await, (none, -1, -1));
    assert_eq!(end(0, epoch + 1, epoch).await, (unknown, -1, -1));
    let missing = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(end(7, -1, epoch).await, (missing, -1, -1));
}

/// Kafka reads no LZ4 frame whose blocks refer to those before them.
async fn a_batch_of_linked_lz4_blocks_is_refused(target: Target) {
    let (client, topic) = target.topic(1).await;
    let (broker, _) = leader(&client, &topic).await;
    let value = "a value that can be packed ".repeat(20);
    let mut batch = BatchBuilder::new(Vec::new(), 10_000);
    let record = NewRecord {
        value: Some(value.as_bytes()),
        ..NewRecord::default()
    };
    assert!(batch.append(&record));
    let mut compressor = Compressor::new(Compression::Lz4, None);
    let sealed = batch.seal_compressed(&mut compressor, Vec::new());
    let (mut sealed, _) = sealed.expect("it packs");
    sealed.stamp(ProducerStamp::NONE);
    let good = sealed.as_ref().to_vec();
    let mut linked = good.clone();
    // The flags of the frame, and the checksum of its header.
    assert_eq!(linked[61..68], [4, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
    linked[65] = 0x40;
    linked[67] = 0xc0;
    let crc = crc32c::crc32c(&linked[21..]);
    linked[17..21].copy_from_slice(&crc.to_be_bytes());
    let topic_id = client.topic(&topic).await.expect("it is there").id;
    for (records, expected) in [
        (good, ErrorCode::NONE),
        (linked, ErrorCode::UNKNOWN_SERVER_ERROR),
    ] {
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 5000,
            topic_data: vec![ProduceTopic {
                name: topic.as_str().into(),
                topic_id,
                partition_data: vec![ProducePartition {
                    index: 0,
                    records: Some(records.into()),
                }],
            }],
            ..ProduceRequest::default()
        };
        let answer = client.request_broker(broker, request).await;
        let answer = answer.expect("it answers");
        let written = &answer.responses[0].partition_responses[0];
        assert_eq!(written.error_code, expected);
    }
}

async fn names_that_no_topic_can_have_are_refused_by_the_broker(target: Target) {
    let client = target.client().await;
    let long = "x".repeat(250);
    for name in [".", "..", "a b", "a/b", "\u{e9}", &long] {
        let request = MetadataRequest {
            topics: Some(vec![MetadataRequestTopic {
                name: Some(name.into()),
                ..MetadataRequestTopic::default()
            }]),
            allow_auto_topic_creation: true,
            ..MetadataRequest::default()
        };
        let answer = client.request(request).await.expect("it answers");
        let code = answer.topics[0].error_code;
        assert_eq!(code, ErrorCode::INVALID_TOPIC_EXCEPTION, "{name}");
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: name.into(),
                num_partitions: 1,
                replication_factor: 1,
                ..CreatableTopic::default()
            }],
            timeout_ms: 5000,
            ..CreateTopicsRequest::default()
        };
        let answer = client.request_controller(request).await;
        let code = answer.expect("it answers").topics[0].error_code;
        assert_eq!(code, ErrorCode::INVALID_TOPIC_EXCEPTION, "{name}");
    }
}

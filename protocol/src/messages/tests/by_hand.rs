//! Messages byte by byte, written out by hand from Kafka's protocol guide: what the golden bytes
//! cannot show is that a reader of the guide would come to the same.

use std::fmt::Debug;

use bytes::Bytes;
use uuid::Uuid;

use super::super::*;
use crate::{
    frame,
    wire::{DecodeErrorKind, EncodeErrorKind},
};

/// Writing the message gives the bytes, and reading the bytes gives the message.
#[track_caller]
fn is_spelled<T: Struct + PartialEq + Debug>(
    message: &T,
    (version, flexible): (i16, bool),
    parts: &[&[u8]],
) {
    let bytes = Bytes::from(parts.concat());
    let mut w = Writer::new(version, flexible);
    message.encode(&mut w);
    assert_eq!(w.finish().expect("it fits").concat(), bytes);
    let mut r = Reader::new(&bytes, version, flexible);
    assert_eq!(T::decode(&mut r).as_ref(), Ok(message));
    assert_eq!(r.remaining(), 0);
}

/// The sixteen bytes of [`ID`].
const ID_BYTES: &[u8] = b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
const ID: Uuid = Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);

#[test]
fn a_metadata_request_of_version_1() {
    let topic = MetadataRequestTopic {
        name: Some("t".into()),
        ..Default::default()
    };
    let mut request = MetadataRequest {
        topics: Some(vec![topic]),
        ..Default::default()
    };
    is_spelled(
        &request,
        (1, false),
        &[
            b"\0\0\0\x01", // one topic
            b"\0\x01t",    // its name
        ],
    );
    request.topics = None;
    is_spelled(&request, (1, false), &[b"\xff\xff\xff\xff"]); // null: all topics
}

#[test]
fn a_metadata_request_of_version_12() {
    let request = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            topic_id: ID,
            name: None,
        }]),
        allow_auto_topic_creation: false,
        include_topic_authorized_operations: true,
        ..Default::default()
    };
    is_spelled(
        &request,
        (12, true),
        &[
            b"\x02",  // one topic, plus one
            ID_BYTES, // its id
            b"\0",    // its name: null
            b"\0",    // no tagged fields of the topic
            b"\0",    // allow auto topic creation: no
            b"\x01",  // include topic authorized operations: yes
            b"\0",    // no tagged fields
        ],
    );
}

fn metadata_response() -> MetadataResponse {
    MetadataResponse {
        brokers: vec![MetadataBroker {
            node_id: 1,
            host: "h".into(),
            port: 9092,
            rack: None,
        }],
        controller_id: 1,
        topics: vec![MetadataTopic {
            error_code: ErrorCode::LEADER_NOT_AVAILABLE,
            name: Some("t".into()),
            is_internal: true,
            partitions: vec![MetadataPartition {
                partition_index: 7,
                leader_id: -1,
                replica_nodes: vec![1, 2],
                isr_nodes: vec![],
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[test]
fn a_metadata_response_of_version_1() {
    is_spelled(
        &metadata_response(),
        (1, false),
        &[
            b"\0\0\0\x01",                     // one broker
            b"\0\0\0\x01",                     // its node id
            b"\0\x01h",                        // its host
            b"\0\0\x23\x84",                   // its port
            b"\xff\xff",                       // its rack: null
            b"\0\0\0\x01",                     // the controller's id
            b"\0\0\0\x01",                     // one topic
            b"\0\x05",                         // its error code
            b"\0\x01t",                        // its name
            b"\x01",                           // it is internal
            b"\0\0\0\x01",                     // one partition
            b"\0\0",                           // its error code
            b"\0\0\0\x07",                     // its index
            b"\xff\xff\xff\xff",               // its leader: none
            b"\0\0\0\x02\0\0\0\x01\0\0\0\x02", // its replicas
            b"\0\0\0\0",                       // its in-sync replicas
        ],
    );
}

#[test]
fn a_metadata_response_of_version_12() {
    let mut response = metadata_response();
    response.throttle_time_ms = 10;
    response.cluster_id = Some("c".into());
    response.topics[0].topic_id = ID;
    response.topics[0].partitions[0].leader_epoch = 3;
    response.topics[0].partitions[0].offline_replicas = vec![2];
    is_spelled(
        &response,
        (12, true),
        &[
            b"\0\0\0\x0a",               // throttle time
            b"\x02",                     // one broker, plus one
            b"\0\0\0\x01",               // its node id
            b"\x02h",                    // its host
            b"\0\0\x23\x84",             // its port
            b"\0",                       // its rack: null
            b"\0",                       // no tagged fields of the broker
            b"\x02c",                    // the cluster's id
            b"\0\0\0\x01",               // the controller's id
            b"\x02",                     // one topic, plus one
            b"\0\x05",                   // its error code
            b"\x02t",                    // its name
            ID_BYTES,                    // its id
            b"\x01",                     // it is internal
            b"\x02",                     // one partition, plus one
            b"\0\0",                     // its error code
            b"\0\0\0\x07",               // its index
            b"\xff\xff\xff\xff",         // its leader: none
            b"\0\0\0\x03",               // its leader epoch
            b"\x03\0\0\0\x01\0\0\0\x02", // its replicas
            b"\x01",                     // its in-sync replicas
            b"\x02\0\0\0\x02",           // its offline replicas
            b"\0",                       // no tagged fields of the partition
            b"\x80\0\0\0",               // the topic's authorized operations: not asked for
            b"\0",                       // no tagged fields of the topic
            b"\0",                       // no tagged fields
        ],
    );
}

/// One record, key "k", value "v", header "h" of value null, of a producer that is not idempotent.
#[rustfmt::skip]
const BATCH: &[&[u8]] = &[
    b"\0\0\0\0\0\0\0\0",                    // base offset
    b"\0\0\0\x3d",                          // length: 61 bytes follow
    b"\xff\xff\xff\xff",                    // partition leader epoch
    b"\x02",                                // magic
    b"\xec\xc4\x6c\x11",                    // CRC-32C
    b"\0\0",                                // attributes
    b"\0\0\0\0",                            // last offset delta
    b"\0\0\x01\x8b\xcf\xe5\x68\0",          // base timestamp
    b"\0\0\x01\x8b\xcf\xe5\x68\0",          // max timestamp
    b"\xff\xff\xff\xff\xff\xff\xff\xff",    // producer id
    b"\xff\xff",                            // producer epoch
    b"\xff\xff\xff\xff",                    // base sequence
    b"\0\0\0\x01",                          // count
    b"\x16\0\0\0",                          // the record: length 11, attributes, timestamp, offset
    b"\x02k\x02v",                          // key and value
    b"\x02\x02h\x01",                       // one header
];

#[test]
fn a_produce_request_of_version_9() {
    let batch = Bytes::from(BATCH.concat());
    let mut batches = crate::records::Batches::new(batch.clone());
    let raw = batches.next().expect("one").expect("it is whole");
    assert_eq!(raw.check_crc(), Ok(()));
    let request = ProduceRequest {
        transactional_id: None,
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![ProduceTopic {
            name: "t".into(),
            partition_data: vec![ProducePartition {
                index: 5,
                records: Some(batch),
            }],
            ..Default::default()
        }],
    };
    is_spelled(
        &request,
        (9, true),
        &[
            b"\0",           // transactional id: null
            b"\xff\xff",     // acks: of all
            b"\0\0\x75\x30", // timeout
            b"\x02",         // one topic, plus one
            b"\x02t",        // its name
            b"\x02",         // one partition, plus one
            b"\0\0\0\x05",   // its index
            b"\x4a",         // 73 bytes of records, plus one
            &BATCH.concat(), // the batch
            b"\0",           // no tagged fields of the partition
            b"\0",           // no tagged fields of the topic
            b"\0",           // no tagged fields
        ],
    );
}

fn fetch_response() -> FetchResponse {
    FetchResponse {
        throttle_time_ms: 1,
        responses: vec![FetchedTopic {
            topic: "t".into(),
            partitions: vec![FetchedPartition {
                partition_index: 5,
                high_watermark: 300,
                last_stable_offset: 299,
                aborted_transactions: Some(vec![AbortedTransaction {
                    producer_id: 77,
                    first_offset: 298,
                }]),
                records: Some(BATCH.concat().into()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[test]
fn a_fetch_response_of_version_4() {
    is_spelled(
        &fetch_response(),
        (4, false),
        &[
            b"\0\0\0\x01",           // throttle time
            b"\0\0\0\x01",           // one topic
            b"\0\x01t",              // its name
            b"\0\0\0\x01",           // one partition
            b"\0\0\0\x05",           // its index
            b"\0\0",                 // its error code
            b"\0\0\0\0\0\0\x01\x2c", // its high watermark
            b"\0\0\0\0\0\0\x01\x2b", // its last stable offset
            b"\0\0\0\x01",           // one aborted transaction
            b"\0\0\0\0\0\0\0\x4d",   // its producer id
            b"\0\0\0\0\0\0\x01\x2a", // its first offset
            b"\0\0\0\x49",           // 73 bytes of records
            &BATCH.concat(),         // the batch
        ],
    );
}

#[test]
fn a_fetch_response_of_version_12() {
    let mut response = fetch_response();
    response.session_id = 0x1234_5678;
    let partition = &mut response.responses[0].partitions[0];
    partition.error_code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    partition.aborted_transactions = None;
    partition.records = None;
    partition.current_leader = LeaderIdAndEpoch {
        leader_id: 2,
        leader_epoch: 9,
    };
    is_spelled(
        &response,
        (12, true),
        &[
            b"\0\0\0\x01",                       // throttle time
            b"\0\0",                             // error code
            b"\x12\x34\x56\x78",                 // session id
            b"\x02",                             // one topic, plus one
            b"\x02t",                            // its name
            b"\x02",                             // one partition, plus one
            b"\0\0\0\x05",                       // its index
            b"\0\x06",                           // its error code
            b"\0\0\0\0\0\0\x01\x2c",             // its high watermark
            b"\0\0\0\0\0\0\x01\x2b",             // its last stable offset
            b"\xff\xff\xff\xff\xff\xff\xff\xff", // its log start offset
            b"\0",                               // its aborted transactions: null
            b"\xff\xff\xff\xff",                 // its preferred read replica: none
            b"\0",                               // its records: null
            b"\x01",                             // one tagged field of the partition
            b"\x01\x09",                         // tag 1, current leader, of 9 bytes
            b"\0\0\0\x02\0\0\0\x09",             // its id and epoch
            b"\0",                               // no tagged fields of the leader
            b"\0",                               // no tagged fields of the topic
            b"\0",                               // no tagged fields
        ],
    );
}

#[test]
fn what_a_version_cannot_carry_is_dropped_or_refused() {
    let written = |request: &FetchRequest, version| {
        let mut w = Writer::new(version, version >= 12);
        Wire::encode(request, &mut w);
        w.finish()
    };
    // A rack is a wish, but partitions to drop from a session are an order.
    let wish = FetchRequest {
        rack_id: "r".into(),
        ..Default::default()
    };
    let plain = written(&FetchRequest::default(), 10);
    assert_eq!(written(&wish, 10), plain);
    let order = FetchRequest {
        forgotten_topics_data: vec![ForgottenTopic::default()],
        ..Default::default()
    };
    let refused = written(&order, 6).expect_err("version 6 has no sessions");
    assert_eq!(refused.field, "forgotten_topics_data");
    assert!(written(&order, 7).is_ok());
}

/// Kafka ends the connection at a longer string in every version.
#[test]
fn a_string_that_kafka_does_not_read_is_neither_written_nor_read() {
    let named = |len| MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some("x".repeat(len).as_str().into()),
            ..MetadataRequestTopic::default()
        }]),
        ..MetadataRequest::default()
    };
    for version in [0, 8, 9, 13] {
        assert!(frame::request(&named(32_767), version, None).is_ok());
        let error = frame::request(&named(32_768), version, None).expect_err("it is too long");
        assert_eq!(error.kind, EncodeErrorKind::TooLong(32_768));
    }
    // A compact string of 32,768 bytes, with its length plus one in front.
    let bytes = [&[0x81, 0x80, 0x02][..], &[b'x'; 32_768]].concat();
    let bytes = Bytes::from(bytes);
    let mut reader = Reader::new(&bytes, 9, true);
    let error = <Arc<str> as Wire>::decode(&mut reader).expect_err("it is too long");
    assert_eq!(error.kind, DecodeErrorKind::StringTooLong(32_768));
}

#[test]
fn an_answer_has_the_error_code_that_all_its_parts_have() {
    const MOVED: ErrorCode = ErrorCode::NOT_COORDINATOR;
    let joined = JoinGroupResponse {
        error_code: MOVED,
        ..JoinGroupResponse::default()
    };
    assert_eq!(joined.common_error(), MOVED);
    assert_eq!(JoinGroupResponse::default().common_error(), ErrorCode::NONE);
    let group = |error_code| DescribedGroup {
        error_code,
        ..DescribedGroup::default()
    };
    let described = |codes: &[ErrorCode]| DescribeGroupsResponse {
        groups: codes.iter().map(|code| group(*code)).collect(),
        ..DescribeGroupsResponse::default()
    };
    assert_eq!(described(&[MOVED, MOVED]).common_error(), MOVED);
    let some = described(&[MOVED, ErrorCode::NONE]);
    assert_eq!(some.common_error(), ErrorCode::NONE, "one was described");
    assert_eq!(described(&[]).common_error(), ErrorCode::NONE);
    // An answer that failed as a whole has empty parts.
    let partition = |error_code| OffsetCommitResponsePartition {
        error_code,
        ..OffsetCommitResponsePartition::default()
    };
    let committed = OffsetCommitResponse {
        topics: vec![OffsetCommitResponseTopic {
            partitions: vec![partition(MOVED), partition(MOVED)],
            ..OffsetCommitResponseTopic::default()
        }],
        ..OffsetCommitResponse::default()
    };
    assert_eq!(committed.common_error(), MOVED);
}

//! Storing how far a group has read (topic ids since KIP-848).

use super::*;

api! {
    OffsetCommitRequest => OffsetCommitResponse, key 8, versions 2-10, flexible 8+;

    struct OffsetCommitRequest {
        group_id:                      Arc<str>,
        generation_id_or_member_epoch: i32 = -1,
        member_id:                     Arc<str>,
        retention_time_ms:             i64                           [2-4] = -1,
        group_instance_id:             Option<Arc<str>>              [must 7+],
        topics:                        Vec<OffsetCommitRequestTopic>,
    }

    struct OffsetCommitRequestTopic {
        name:       Arc<str>                          [2-9],
        topic_id:   Uuid                              [10+],
        partitions: Vec<OffsetCommitRequestPartition>,
    }

    struct OffsetCommitRequestPartition {
        partition_index:        i32,
        committed_offset:       i64,
        committed_leader_epoch: i32              [6+] = -1,
        committed_metadata:     Option<Arc<str>>,
    }

    struct OffsetCommitResponse {
        throttle_time_ms: i32                            [3+],
        topics:           Vec<OffsetCommitResponseTopic>,
    }

    struct OffsetCommitResponseTopic {
        name:       Arc<str>                           [2-9],
        topic_id:   Uuid                               [10+],
        partitions: Vec<OffsetCommitResponsePartition>,
    }

    struct OffsetCommitResponsePartition { partition_index: i32, error_code: ErrorCode }
}

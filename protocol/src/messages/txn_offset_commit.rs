//! Committing a group's offsets inside a transaction (KIP-98, KIP-447; topic ids
//! since KIP-1319).

use super::*;

api! {
    TxnOffsetCommitRequest => TxnOffsetCommitResponse, key 28, versions 0-6, flexible 3+;

    struct TxnOffsetCommitRequest {
        transactional_id:              Arc<str>,
        group_id:                      Arc<str>,
        producer_id:                   i64,
        producer_epoch:                i16,
        generation_id_or_member_epoch: i32                              [must 3+] = -1,
        member_id:                     Arc<str>                         [must 3+],
        group_instance_id:             Option<Arc<str>>                 [must 3+],
        topics:                        Vec<TxnOffsetCommitRequestTopic>,
    }

    struct TxnOffsetCommitRequestTopic {
        name:       Arc<str>                             [0-5],
        topic_id:   Uuid                                 [6+],
        partitions: Vec<TxnOffsetCommitRequestPartition>,
    }

    struct TxnOffsetCommitRequestPartition {
        partition_index:        i32,
        committed_offset:       i64,
        committed_leader_epoch: i32              [2+] = -1,
        committed_metadata:     Option<Arc<str>>,
    }

    struct TxnOffsetCommitResponse {
        throttle_time_ms: i32,
        topics:           Vec<TxnOffsetCommitResponseTopic>,
    }

    struct TxnOffsetCommitResponseTopic {
        name:       Arc<str>                              [0-5],
        topic_id:   Uuid                                  [6+],
        partitions: Vec<TxnOffsetCommitResponsePartition>,
    }

    struct TxnOffsetCommitResponsePartition { partition_index: i32, error_code: ErrorCode }
}

//! How far a group has read; many groups in one request since KIP-709.

use super::*;

api! {
    OffsetFetchRequest => OffsetFetchResponse, key 9, versions 1-10, flexible 6+;

    struct OffsetFetchRequest {
        group_id:       Arc<str>                             [must 1-7],
        topics:         Option<Vec<OffsetFetchRequestTopic>> [must 1-7 null 2+] = Some(Vec::new()),
        groups:         Vec<OffsetFetchRequestGroup>         [must 8+],
        /// Waits for open transactions instead of answering what they may change (KIP-447).
        require_stable: bool                                 [must 7+],
    }

    struct OffsetFetchRequestTopic { name: Arc<str>, partition_indexes: Vec<i32> }

    struct OffsetFetchRequestGroup {
        group_id:     Arc<str>,
        member_id:    Option<Arc<str>>                      [9+],
        member_epoch: i32                                   [9+] = -1,
        topics:       Option<Vec<OffsetFetchRequestTopics>>,
    }

    struct OffsetFetchRequestTopics {
        name:              Arc<str> [8-9],
        topic_id:          Uuid     [10+],
        partition_indexes: Vec<i32>,
    }

    struct OffsetFetchResponse {
        throttle_time_ms: i32                           [3+],
        topics:           Vec<OffsetFetchResponseTopic> [must 1-7],
        error_code:       ErrorCode                     [2-7],
        groups:           Vec<OffsetFetchResponseGroup> [must 8+],
    }

    struct OffsetFetchResponseTopic {
        name:       Arc<str>,
        partitions: Vec<OffsetFetchResponsePartition>,
    }

    struct OffsetFetchResponseGroup {
        group_id:   Arc<str>,
        topics:     Vec<OffsetFetchResponseTopics>,
        error_code: ErrorCode,
    }

    struct OffsetFetchResponsePartition {
        partition_index:        i32,
        committed_offset:       i64,
        committed_leader_epoch: i32              [5+] = -1,
        metadata:               Option<Arc<str>>,
        error_code:             ErrorCode,
    }

    struct OffsetFetchResponseTopics {
        name:       Arc<str>                           [8-9],
        topic_id:   Uuid                               [10+],
        partitions: Vec<OffsetFetchResponsePartitions>,
    }

    struct OffsetFetchResponsePartitions {
        partition_index:        i32,
        committed_offset:       i64,
        committed_leader_epoch: i32 = -1,
        metadata:               Option<Arc<str>>,
        error_code:             ErrorCode,
    }
}

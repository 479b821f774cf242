//! Where a leader epoch ended, to find out whether a log was truncated (KIP-320).

use super::*;

api! {
    OffsetForLeaderEpochRequest => OffsetForLeaderEpochResponse, key 23, versions 2-4, flexible 4+;

    struct OffsetForLeaderEpochRequest {
        replica_id: i32                       [3+] = -2,
        topics:     Vec<OffsetForLeaderTopic>,
    }

    struct OffsetForLeaderTopic { topic: Arc<str>, partitions: Vec<OffsetForLeaderPartition> }

    struct OffsetForLeaderPartition {
        partition:            i32,
        current_leader_epoch: i32 = -1,
        leader_epoch:         i32,
    }

    struct OffsetForLeaderEpochResponse {
        throttle_time_ms: i32,
        topics:           Vec<OffsetForLeaderTopicResult>,
    }

    struct OffsetForLeaderTopicResult { topic: Arc<str>, partitions: Vec<EpochEndOffsetResult> }

    struct EpochEndOffsetResult {
        error_code:   ErrorCode,
        partition:    i32,
        leader_epoch: i32 = -1,
        end_offset:   i64 = -1,
    }
}

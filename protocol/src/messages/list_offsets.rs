//! The offset at a time, or at either end of a partition (KIP-79; special timestamps in KIP-734, KIP-1005).

use super::*;

api! {
    ListOffsetsRequest => ListOffsetsResponse, key 2, versions 1-11, flexible 6+;

    struct ListOffsetsRequest {
        replica_id:      i32,
        isolation_level: i8                    [must 2+],
        topics:          Vec<ListOffsetsTopic>,
        timeout_ms:      i32                   [10+],
    }

    struct ListOffsetsTopic { name: Arc<str>, partitions: Vec<ListOffsetsPartition> }

    struct ListOffsetsPartition {
        partition_index:      i32,
        current_leader_epoch: i32 [4+] = -1,
        /// Milliseconds since 1970; -1 is the end, -2 the start, -3 the greatest timestamp
        /// (KIP-734).
        timestamp:            i64,
    }

    struct ListOffsetsResponse {
        throttle_time_ms: i32                     [2+],
        topics:           Vec<ListedOffsetsTopic>,
    }

    struct ListedOffsetsTopic { name: Arc<str>, partitions: Vec<ListedOffsetsPartition> }

    struct ListedOffsetsPartition {
        partition_index: i32,
        error_code:      ErrorCode,
        timestamp:       i64 = -1,
        offset:          i64 = -1,
        leader_epoch:    i32       [must 4+] = -1,
    }
}

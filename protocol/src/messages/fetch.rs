//! Reading record batches from partition leaders (KIP-74 limits, KIP-227 sessions, KIP-516 topic ids).

use super::*;

api! {
    FetchRequest => FetchResponse, key 1, versions 4-18, flexible 12+;

    struct FetchRequest {
        /// A consumer is -1. Moved into `replica_state` by KIP-903.
        replica_id:            i32                 [must 4-14] = -1,
        max_wait_ms:           i32,
        min_bytes:             i32,
        max_bytes:             i32 = i32::MAX,
        /// 0 sees every record, 1 only those of committed transactions.
        isolation_level:       i8,
        session_id:            i32                 [7+],
        session_epoch:         i32                 [7+] = -1,
        topics:                Vec<FetchTopic>,
        /// Partitions to drop from the session (KIP-227).
        forgotten_topics_data: Vec<ForgottenTopic> [must 7+],
        rack_id:               Arc<str>            [11+],
        cluster_id:            Option<Arc<str>>    [12+ tag 0],
        replica_state:         ReplicaState        [must 15+ tag 1],
    }

    struct FetchTopic {
        topic:      Arc<str>            [4-12],
        topic_id:   Uuid                [13+],
        partitions: Vec<FetchPartition>,
    }

    struct ForgottenTopic {
        topic:      Arc<str> [7-12],
        topic_id:   Uuid     [13+],
        partitions: Vec<i32>,
    }

    struct ReplicaState { replica_id: i32 = -1, replica_epoch: i64 = -1 }

    struct FetchPartition {
        partition:            i32,
        /// Lets the leader fence a client that knows an older or newer leader (KIP-320).
        current_leader_epoch: i32  [9+] = -1,
        fetch_offset:         i64,
        last_fetched_epoch:   i32  [must 12+] = -1,
        log_start_offset:     i64  [5+] = -1,
        partition_max_bytes:  i32,
        replica_directory_id: Uuid [17+ tag 0],
        high_watermark:       i64  [18+ tag 1] = i64::MAX,
    }

    struct FetchResponse {
        throttle_time_ms: i32,
        error_code:       ErrorCode         [7+],
        session_id:       i32               [must 7+],
        responses:        Vec<FetchedTopic>,
        /// Where the leaders named in `current_leader` live (KIP-951).
        node_endpoints:   Vec<NodeEndpoint> [must 16+ tag 0],
    }

    struct FetchedTopic {
        topic:      Arc<str>              [4-12],
        topic_id:   Uuid                  [13+],
        partitions: Vec<FetchedPartition>,
    }

    struct FetchedPartition {
        partition_index:        i32,
        error_code:             ErrorCode,
        high_watermark:         i64,
        last_stable_offset:     i64 = -1,
        log_start_offset:       i64                             [5+] = -1,
        aborted_transactions:   Option<Vec<AbortedTransaction>>,
        /// A replica nearer to the client, to be read from instead (KIP-392).
        preferred_read_replica: i32                             [must 11+] = -1,
        /// Whole record batches, the last one perhaps cut short: a slice of the response frame.
        records:                Option<Bytes>,
        /// Where the log of the fetcher departs from the leader's (KIP-595).
        diverging_epoch:        EpochEndOffset                  [must 12+ tag 0],
        current_leader:         LeaderIdAndEpoch                [must 12+ tag 1],
        snapshot_id:            SnapshotId                      [must 12+ tag 2],
    }

    struct AbortedTransaction { producer_id: i64, first_offset: i64 }

    struct EpochEndOffset { epoch: i32 = -1, end_offset: i64 = -1 }

    struct SnapshotId { end_offset: i64 = -1, epoch: i32 = -1 }
}

//! Writing record batches to partition leaders (KIP-98; topic ids since KIP-516).

use super::*;

api! {
    ProduceRequest => ProduceResponse, key 0, versions 3-13, flexible 9+;

    struct ProduceRequest {
        transactional_id: Option<Arc<str>>,
        /// 0 asks for no answer, 1 for the leader's, -1 for that of every in-sync replica.
        acks:             i16,
        timeout_ms:       i32,
        topic_data:       Vec<ProduceTopic>,
    }

    struct ProduceTopic {
        name:           Arc<str>              [3-12],
        topic_id:       Uuid                  [13+],
        partition_data: Vec<ProducePartition>,
    }

    struct ProducePartition { index: i32, records: Option<Bytes> }

    struct ProduceResponse {
        responses:        Vec<ProducedTopic>,
        throttle_time_ms: i32,
        /// Where the leaders named in `current_leader` live (KIP-951).
        node_endpoints:   Vec<NodeEndpoint>  [must 10+ tag 0],
    }

    struct ProducedTopic {
        name:                Arc<str>               [3-12],
        topic_id:            Uuid                   [13+],
        partition_responses: Vec<ProducedPartition>,
    }

    struct ProducedPartition {
        index:              i32,
        error_code:         ErrorCode,
        /// The offset of the first record of the batch; -1 where it was written before and
        /// forgotten since.
        base_offset:        i64,
        log_append_time_ms: i64 = -1,
        log_start_offset:   i64                [5+] = -1,
        /// The records that were the reason to refuse the batch (KIP-467).
        record_errors:      Vec<RecordRefusal> [8+],
        error_message:      Option<Arc<str>>   [8+],
        /// Who leads instead, with `NOT_LEADER_OR_FOLLOWER` (KIP-951).
        current_leader:     LeaderIdAndEpoch   [must 10+ tag 0],
    }

    struct RecordRefusal { batch_index: i32, batch_index_error_message: Option<Arc<str>> }
}

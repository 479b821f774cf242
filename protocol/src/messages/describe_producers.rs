//! Producers with state in a partition (KIP-664).

use super::*;

api! {
    DescribeProducersRequest => DescribeProducersResponse, key 61, versions 0-0, flexible 0+;

    struct DescribeProducersRequest { topics: Vec<DescribeProducersTopicRequest> }

    struct DescribeProducersTopicRequest { name: Arc<str>, partition_indexes: Vec<i32> }

    struct DescribeProducersResponse {
        throttle_time_ms: i32,
        topics:           Vec<DescribeProducersTopicResponse>,
    }

    struct DescribeProducersTopicResponse {
        name:       Arc<str>,
        partitions: Vec<DescribeProducersPartitionResponse>,
    }

    struct DescribeProducersPartitionResponse {
        partition_index:  i32,
        error_code:       ErrorCode,
        error_message:    Option<Arc<str>>,
        active_producers: Vec<DescribeProducersProducerState>,
    }

    struct DescribeProducersProducerState {
        producer_id:              i64,
        producer_epoch:           i32,
        last_sequence:            i32 = -1,
        last_timestamp:           i64 = -1,
        coordinator_epoch:        i32,
        current_txn_start_offset: i64 = -1,
    }
}

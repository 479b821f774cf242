//! Topics and partitions, page by page (KIP-966).

use super::*;

api! {
    DescribeTopicPartitionsRequest => DescribeTopicPartitionsResponse, key 75, versions 0-0, flexible 0+;

    struct DescribeTopicPartitionsRequest {
        topics:                   Vec<DescribeTopicPartitionsTopicRequest>,
        response_partition_limit: i32 = 2000,
        cursor:                   Option<DescribeTopicPartitionsRequestCursor>,
    }

    struct DescribeTopicPartitionsTopicRequest { name: Arc<str> }

    struct DescribeTopicPartitionsRequestCursor { topic_name: Arc<str>, partition_index: i32 }

    struct DescribeTopicPartitionsResponse {
        throttle_time_ms: i32,
        topics:           Vec<DescribeTopicPartitionsResponseTopic>,
        next_cursor:      Option<DescribeTopicPartitionsResponseCursor>,
    }

    struct DescribeTopicPartitionsResponseTopic {
        error_code:                  ErrorCode,
        name:                        Option<Arc<str>>,
        topic_id:                    Uuid,
        is_internal:                 bool,
        partitions:                  Vec<DescribeTopicPartitionsResponsePartition>,
        topic_authorized_operations: i32 = i32::MIN,
    }

    struct DescribeTopicPartitionsResponseCursor { topic_name: Arc<str>, partition_index: i32 }

    struct DescribeTopicPartitionsResponsePartition {
        error_code:               ErrorCode,
        partition_index:          i32,
        leader_id:                i32,
        leader_epoch:             i32 = -1,
        replica_nodes:            Vec<i32>,
        isr_nodes:                Vec<i32>,
        eligible_leader_replicas: Option<Vec<i32>>,
        last_known_elr:           Option<Vec<i32>>,
        offline_replicas:         Vec<i32>,
    }
}

//! Partitions that are being moved (KIP-455).

use super::*;

api! {
    ListPartitionReassignmentsRequest => ListPartitionReassignmentsResponse, key 46, versions 0-0, flexible 0+;

    struct ListPartitionReassignmentsRequest {
        timeout_ms: i32 = 60000,
        topics:     Option<Vec<ListPartitionReassignmentsTopics>>,
    }

    struct ListPartitionReassignmentsTopics { name: Arc<str>, partition_indexes: Vec<i32> }

    struct ListPartitionReassignmentsResponse {
        throttle_time_ms: i32,
        error_code:       ErrorCode,
        error_message:    Option<Arc<str>>,
        topics:           Vec<OngoingTopicReassignment>,
    }

    struct OngoingTopicReassignment {
        name:       Arc<str>,
        partitions: Vec<OngoingPartitionReassignment>,
    }

    struct OngoingPartitionReassignment {
        partition_index:   i32,
        replicas:          Vec<i32>,
        adding_replicas:   Vec<i32>,
        removing_replicas: Vec<i32>,
    }
}

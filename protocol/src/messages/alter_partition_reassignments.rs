//! Moving partitions to other brokers (KIP-455).

use super::*;

api! {
    AlterPartitionReassignmentsRequest => AlterPartitionReassignmentsResponse, key 45, versions 0-1, flexible 0+;

    struct AlterPartitionReassignmentsRequest {
        timeout_ms:                      i32 = 60000,
        allow_replication_factor_change: bool                   [must 1+] = true,
        topics:                          Vec<ReassignableTopic>,
    }

    struct ReassignableTopic { name: Arc<str>, partitions: Vec<ReassignablePartition> }

    struct ReassignablePartition { partition_index: i32, replicas: Option<Vec<i32>> }

    struct AlterPartitionReassignmentsResponse {
        throttle_time_ms:                i32,
        allow_replication_factor_change: bool                           [1+] = true,
        error_code:                      ErrorCode,
        error_message:                   Option<Arc<str>>,
        responses:                       Vec<ReassignableTopicResponse>,
    }

    struct ReassignableTopicResponse {
        name:       Arc<str>,
        partitions: Vec<ReassignablePartitionResponse>,
    }

    struct ReassignablePartitionResponse {
        partition_index: i32,
        error_code:      ErrorCode,
        error_message:   Option<Arc<str>>,
    }
}

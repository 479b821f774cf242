//! Electing preferred or unclean leaders (KIP-183, KIP-460).

use super::*;

api! {
    ElectLeadersRequest => ElectLeadersResponse, key 43, versions 0-2, flexible 2+;

    struct ElectLeadersRequest {
        election_type:    i8                                       [must 1+],
        topic_partitions: Option<Vec<ElectLeadersTopicPartitions>>,
        timeout_ms:       i32 = 60000,
    }

    struct ElectLeadersTopicPartitions { topic: Arc<str>, partitions: Vec<i32> }

    struct ElectLeadersResponse {
        throttle_time_ms:         i32,
        error_code:               ErrorCode                  [must 1+],
        replica_election_results: Vec<ReplicaElectionResult>,
    }

    struct ReplicaElectionResult {
        topic:            Arc<str>,
        partition_result: Vec<ElectLeadersPartitionResult>,
    }

    struct ElectLeadersPartitionResult {
        partition_id:  i32,
        error_code:    ErrorCode,
        error_message: Option<Arc<str>>,
    }
}

//! Moving replicas between disks (KIP-113).

use super::*;

api! {
    AlterReplicaLogDirsRequest => AlterReplicaLogDirsResponse, key 34, versions 1-2, flexible 2+;

    struct AlterReplicaLogDirsRequest { dirs: Vec<AlterReplicaLogDir> }

    struct AlterReplicaLogDir { path: Arc<str>, topics: Vec<AlterReplicaLogDirTopic> }

    struct AlterReplicaLogDirTopic { name: Arc<str>, partitions: Vec<i32> }

    struct AlterReplicaLogDirsResponse {
        throttle_time_ms: i32,
        results:          Vec<AlterReplicaLogDirTopicResult>,
    }

    struct AlterReplicaLogDirTopicResult {
        topic_name: Arc<str>,
        partitions: Vec<AlterReplicaLogDirPartitionResult>,
    }

    struct AlterReplicaLogDirPartitionResult { partition_index: i32, error_code: ErrorCode }
}

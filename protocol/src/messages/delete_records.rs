//! Moving the start of a partition forward (KIP-107).

use super::*;

api! {
    DeleteRecordsRequest => DeleteRecordsResponse, key 21, versions 0-2, flexible 2+;

    struct DeleteRecordsRequest { topics: Vec<DeleteRecordsTopic>, timeout_ms: i32 }

    struct DeleteRecordsTopic { name: Arc<str>, partitions: Vec<DeleteRecordsPartition> }

    struct DeleteRecordsPartition { partition_index: i32, offset: i64 }

    struct DeleteRecordsResponse {
        throttle_time_ms: i32,
        topics:           Vec<DeleteRecordsTopicResult>,
    }

    struct DeleteRecordsTopicResult {
        name:       Arc<str>,
        partitions: Vec<DeleteRecordsPartitionResult>,
    }

    struct DeleteRecordsPartitionResult {
        partition_index: i32,
        low_watermark:   i64,
        error_code:      ErrorCode,
    }
}

//! Moving where a share group starts reading (KIP-932).

use super::*;

api! {
    AlterShareGroupOffsetsRequest => AlterShareGroupOffsetsResponse, key 91, versions 0-0, flexible 0+;

    struct AlterShareGroupOffsetsRequest {
        group_id: Arc<str>,
        topics:   Vec<AlterShareGroupOffsetsRequestTopic>,
    }

    struct AlterShareGroupOffsetsRequestTopic {
        topic_name: Arc<str>,
        partitions: Vec<AlterShareGroupOffsetsRequestPartition>,
    }

    struct AlterShareGroupOffsetsRequestPartition { partition_index: i32, start_offset: i64 }

    struct AlterShareGroupOffsetsResponse {
        throttle_time_ms: i32,
        error_code:       ErrorCode,
        error_message:    Option<Arc<str>>,
        responses:        Vec<AlterShareGroupOffsetsResponseTopic>,
    }

    struct AlterShareGroupOffsetsResponseTopic {
        topic_name: Arc<str>,
        topic_id:   Uuid,
        partitions: Vec<AlterShareGroupOffsetsResponsePartition>,
    }

    struct AlterShareGroupOffsetsResponsePartition {
        partition_index: i32,
        error_code:      ErrorCode,
        error_message:   Option<Arc<str>>,
    }
}

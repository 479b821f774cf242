//! Deleting committed offsets of a group (KIP-496).

use super::*;

api! {
    OffsetDeleteRequest => OffsetDeleteResponse, key 47, versions 0-0;

    struct OffsetDeleteRequest { group_id: Arc<str>, topics: Vec<OffsetDeleteRequestTopic> }

    struct OffsetDeleteRequestTopic {
        name:       Arc<str>,
        partitions: Vec<OffsetDeleteRequestPartition>,
    }

    struct OffsetDeleteRequestPartition { partition_index: i32 }

    struct OffsetDeleteResponse {
        error_code:       ErrorCode,
        throttle_time_ms: i32,
        topics:           Vec<OffsetDeleteResponseTopic>,
    }

    struct OffsetDeleteResponseTopic {
        name:       Arc<str>,
        partitions: Vec<OffsetDeleteResponsePartition>,
    }

    struct OffsetDeleteResponsePartition { partition_index: i32, error_code: ErrorCode }
}

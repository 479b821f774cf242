//! Adding partitions to topics (KIP-195).

use super::*;

api! {
    CreatePartitionsRequest => CreatePartitionsResponse, key 37, versions 0-3, flexible 2+;

    struct CreatePartitionsRequest {
        topics:        Vec<CreatePartitionsTopic>,
        timeout_ms:    i32,
        validate_only: bool,
    }

    struct CreatePartitionsTopic {
        name:        Arc<str>,
        count:       i32,
        assignments: Option<Vec<CreatePartitionsAssignment>>,
    }

    struct CreatePartitionsAssignment { broker_ids: Vec<i32> }

    struct CreatePartitionsResponse {
        throttle_time_ms: i32,
        results:          Vec<CreatePartitionsTopicResult>,
    }

    struct CreatePartitionsTopicResult {
        name:          Arc<str>,
        error_code:    ErrorCode,
        error_message: Option<Arc<str>>,
    }
}

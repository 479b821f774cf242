//! Forgetting where a share group starts reading (KIP-932).

use super::*;

api! {
    DeleteShareGroupOffsetsRequest => DeleteShareGroupOffsetsResponse, key 92, versions 0-0, flexible 0+;

    struct DeleteShareGroupOffsetsRequest {
        group_id: Arc<str>,
        topics:   Vec<DeleteShareGroupOffsetsRequestTopic>,
    }

    struct DeleteShareGroupOffsetsRequestTopic { topic_name: Arc<str> }

    struct DeleteShareGroupOffsetsResponse {
        throttle_time_ms: i32,
        error_code:       ErrorCode,
        error_message:    Option<Arc<str>>,
        responses:        Vec<DeleteShareGroupOffsetsResponseTopic>,
    }

    struct DeleteShareGroupOffsetsResponseTopic {
        topic_name:    Arc<str>,
        topic_id:      Uuid,
        error_code:    ErrorCode,
        error_message: Option<Arc<str>>,
    }
}

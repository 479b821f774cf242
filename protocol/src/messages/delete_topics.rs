//! Deleting topics, by name or by id (KIP-516).

use super::*;

api! {
    DeleteTopicsRequest => DeleteTopicsResponse, key 20, versions 1-6, flexible 4+;

    struct DeleteTopicsRequest {
        topic_names: Vec<Arc<str>>         [1-5],
        topics:      Vec<DeleteTopicState> [must 6+],
        timeout_ms:  i32,
    }

    struct DeleteTopicState { name: Option<Arc<str>>, topic_id: Uuid }

    struct DeleteTopicsResponse { throttle_time_ms: i32, responses: Vec<DeletableTopicResult> }

    struct DeletableTopicResult {
        name:          Option<Arc<str>> [null 6+] = Some("".into()),
        topic_id:      Uuid             [6+],
        error_code:    ErrorCode,
        error_message: Option<Arc<str>> [5+],
    }
}

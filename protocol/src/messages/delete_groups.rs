//! Deleting empty groups (KIP-229).

use super::*;

api! {
    DeleteGroupsRequest => DeleteGroupsResponse, key 42, versions 0-3, flexible 2+;

    struct DeleteGroupsRequest { groups_names: Vec<Arc<str>> }

    struct DeleteGroupsResponse { throttle_time_ms: i32, results: Vec<DeletableGroupResult> }

    struct DeletableGroupResult {
        group_id:      Arc<str>,
        error_code:    ErrorCode,
        error_message: Option<Arc<str>> [3+],
    }
}

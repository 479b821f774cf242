//! Handing out and receiving assignments under the classic protocol.

use super::*;

api! {
    SyncGroupRequest => SyncGroupResponse, key 14, versions 0-5, flexible 4+;

    struct SyncGroupRequest {
        group_id:          Arc<str>,
        generation_id:     i32,
        member_id:         Arc<str>,
        group_instance_id: Option<Arc<str>>                [must 3+],
        protocol_type:     Option<Arc<str>>                [5+],
        protocol_name:     Option<Arc<str>>                [5+],
        assignments:       Vec<SyncGroupRequestAssignment>,
    }

    struct SyncGroupRequestAssignment { member_id: Arc<str>, assignment: Bytes }

    struct SyncGroupResponse {
        throttle_time_ms: i32              [1+],
        error_code:       ErrorCode,
        protocol_type:    Option<Arc<str>> [5+],
        protocol_name:    Option<Arc<str>> [5+],
        assignment:       Bytes,
    }
}

//! Staying in a group under the classic protocol.

use super::*;

api! {
    HeartbeatRequest => HeartbeatResponse, key 12, versions 0-4, flexible 4+;

    struct HeartbeatRequest {
        group_id:          Arc<str>,
        generation_id:     i32,
        member_id:         Arc<str>,
        group_instance_id: Option<Arc<str>> [must 3+],
    }

    struct HeartbeatResponse {
        throttle_time_ms: i32       [1+],
        error_code:       ErrorCode,
    }
}

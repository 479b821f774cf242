//! Leaving a group under the classic protocol; many members at once since KIP-345.

use super::*;

api! {
    LeaveGroupRequest => LeaveGroupResponse, key 13, versions 0-5, flexible 4+;

    struct LeaveGroupRequest {
        group_id:  Arc<str>,
        member_id: Arc<str>                      [must 0-2],
        members:   Vec<LeaveGroupMemberIdentity> [must 3+],
    }

    struct LeaveGroupMemberIdentity {
        member_id:         Arc<str>,
        group_instance_id: Option<Arc<str>>,
        reason:            Option<Arc<str>> [5+],
    }

    struct LeaveGroupResponse {
        throttle_time_ms: i32                           [1+],
        error_code:       ErrorCode,
        members:          Vec<LeaveGroupMemberResponse> [must 3+],
    }

    struct LeaveGroupMemberResponse {
        member_id:         Arc<str>,
        group_instance_id: Option<Arc<str>>,
        error_code:        ErrorCode,
    }
}

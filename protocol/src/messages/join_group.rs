//! Entering a group under the classic protocol (static members: KIP-345).

use super::*;

api! {
    JoinGroupRequest => JoinGroupResponse, key 11, versions 0-9, flexible 6+;

    struct JoinGroupRequest {
        group_id:             Arc<str>,
        session_timeout_ms:   i32,
        rebalance_timeout_ms: i32                           [1+] = -1,
        member_id:            Arc<str>,
        group_instance_id:    Option<Arc<str>>              [must 5+],
        protocol_type:        Arc<str>,
        protocols:            Vec<JoinGroupRequestProtocol>,
        reason:               Option<Arc<str>>              [8+],
    }

    struct JoinGroupRequestProtocol { name: Arc<str>, metadata: Bytes }

    struct JoinGroupResponse {
        throttle_time_ms: i32                          [2+],
        error_code:       ErrorCode,
        generation_id:    i32 = -1,
        protocol_type:    Option<Arc<str>>             [7+],
        protocol_name:    Option<Arc<str>>             [null 7+] = Some("".into()),
        leader:           Arc<str>,
        skip_assignment:  bool                         [must 9+],
        member_id:        Arc<str>,
        members:          Vec<JoinGroupResponseMember>,
    }

    struct JoinGroupResponseMember {
        member_id:         Arc<str>,
        group_instance_id: Option<Arc<str>> [5+],
        metadata:          Bytes,
    }
}

//! State and members of classic groups.

use super::*;

api! {
    DescribeGroupsRequest => DescribeGroupsResponse, key 15, versions 0-6, flexible 5+;

    struct DescribeGroupsRequest {
        groups:                        Vec<Arc<str>>,
        include_authorized_operations: bool          [must 3+],
    }

    struct DescribeGroupsResponse {
        throttle_time_ms: i32                 [1+],
        groups:           Vec<DescribedGroup>,
    }

    struct DescribedGroup {
        error_code:            ErrorCode,
        error_message:         Option<Arc<str>>          [must 6+],
        group_id:              Arc<str>,
        group_state:           Arc<str>,
        protocol_type:         Arc<str>,
        protocol_data:         Arc<str>,
        members:               Vec<DescribedGroupMember>,
        authorized_operations: i32                       [must 3+] = i32::MIN,
    }

    struct DescribedGroupMember {
        member_id:         Arc<str>,
        group_instance_id: Option<Arc<str>> [4+],
        client_id:         Arc<str>,
        client_host:       Arc<str>,
        member_metadata:   Bytes,
        member_assignment: Bytes,
    }
}

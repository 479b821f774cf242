//! Listing access rules (KIP-140).

use super::*;

api! {
    DescribeAclsRequest => DescribeAclsResponse, key 29, versions 1-3, flexible 2+;

    struct DescribeAclsRequest {
        resource_type_filter: i8,
        resource_name_filter: Option<Arc<str>>,
        pattern_type_filter:  i8 = 3,
        principal_filter:     Option<Arc<str>>,
        host_filter:          Option<Arc<str>>,
        operation:            i8,
        permission_type:      i8,
    }

    struct DescribeAclsResponse {
        throttle_time_ms: i32,
        error_code:       ErrorCode,
        error_message:    Option<Arc<str>>,
        resources:        Vec<DescribeAclsResource>,
    }

    struct DescribeAclsResource {
        resource_type: i8,
        resource_name: Arc<str>,
        pattern_type:  i8 = 3,
        acls:          Vec<AclDescription>,
    }

    struct AclDescription {
        principal:       Arc<str>,
        host:            Arc<str>,
        operation:       i8,
        permission_type: i8,
    }
}

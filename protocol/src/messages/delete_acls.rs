//! Removing access rules (KIP-140).

use super::*;

api! {
    DeleteAclsRequest => DeleteAclsResponse, key 31, versions 1-3, flexible 2+;

    struct DeleteAclsRequest { filters: Vec<DeleteAclsFilter> }

    struct DeleteAclsFilter {
        resource_type_filter: i8,
        resource_name_filter: Option<Arc<str>>,
        pattern_type_filter:  i8 = 3,
        principal_filter:     Option<Arc<str>>,
        host_filter:          Option<Arc<str>>,
        operation:            i8,
        permission_type:      i8,
    }

    struct DeleteAclsResponse {
        throttle_time_ms: i32,
        filter_results:   Vec<DeleteAclsFilterResult>,
    }

    struct DeleteAclsFilterResult {
        error_code:    ErrorCode,
        error_message: Option<Arc<str>>,
        matching_acls: Vec<DeleteAclsMatchingAcl>,
    }

    struct DeleteAclsMatchingAcl {
        error_code:      ErrorCode,
        error_message:   Option<Arc<str>>,
        resource_type:   i8,
        resource_name:   Arc<str>,
        pattern_type:    i8 = 3,
        principal:       Arc<str>,
        host:            Arc<str>,
        operation:       i8,
        permission_type: i8,
    }
}

//! Adding access rules (KIP-140).

use super::*;

api! {
    CreateAclsRequest => CreateAclsResponse, key 30, versions 1-3, flexible 2+;

    struct CreateAclsRequest { creations: Vec<AclCreation> }

    struct AclCreation {
        resource_type:         i8,
        resource_name:         Arc<str>,
        resource_pattern_type: i8 = 3,
        principal:             Arc<str>,
        host:                  Arc<str>,
        operation:             i8,
        permission_type:       i8,
    }

    struct CreateAclsResponse { throttle_time_ms: i32, results: Vec<AclCreationResult> }

    struct AclCreationResult { error_code: ErrorCode, error_message: Option<Arc<str>> }
}

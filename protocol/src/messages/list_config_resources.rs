//! Names that have a configuration (KIP-1000, KIP-1142).

use super::*;

api! {
    ListConfigResourcesRequest => ListConfigResourcesResponse, key 74, versions 0-1, flexible 0+;

    struct ListConfigResourcesRequest {
        resource_types: Vec<i8> [must 1+],
    }

    struct ListConfigResourcesResponse {
        throttle_time_ms: i32,
        error_code:       ErrorCode,
        config_resources: Vec<ListConfigResourcesConfigResource>,
    }

    struct ListConfigResourcesConfigResource {
        resource_name: Arc<str>,
        resource_type: i8       [1+] = 16,
    }
}

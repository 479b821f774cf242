//! Changing single settings (KIP-339).

use super::*;

api! {
    IncrementalAlterConfigsRequest => IncrementalAlterConfigsResponse, key 44, versions 0-1, flexible 1+;

    struct IncrementalAlterConfigsRequest {
        resources:     Vec<IncrementalAlterConfigsAlterConfigsResource>,
        validate_only: bool,
    }

    struct IncrementalAlterConfigsAlterConfigsResource {
        resource_type: i8,
        resource_name: Arc<str>,
        configs:       Vec<IncrementalAlterConfigsAlterableConfig>,
    }

    struct IncrementalAlterConfigsAlterableConfig {
        name:             Arc<str>,
        config_operation: i8,
        value:            Option<Arc<str>>,
    }

    struct IncrementalAlterConfigsResponse {
        throttle_time_ms: i32,
        responses:        Vec<IncrementalAlterConfigsAlterConfigsResourceResponse>,
    }

    struct IncrementalAlterConfigsAlterConfigsResourceResponse {
        error_code:    ErrorCode,
        error_message: Option<Arc<str>>,
        resource_type: i8,
        resource_name: Arc<str>,
    }
}

//! Replacing whole configurations; IncrementalAlterConfigs changes single settings.

use super::*;

api! {
    AlterConfigsRequest => AlterConfigsResponse, key 33, versions 0-2, flexible 2+;

    struct AlterConfigsRequest { resources: Vec<AlterConfigsResource>, validate_only: bool }

    struct AlterConfigsResource {
        resource_type: i8,
        resource_name: Arc<str>,
        configs:       Vec<AlterConfigsAlterableConfig>,
    }

    struct AlterConfigsAlterableConfig { name: Arc<str>, value: Option<Arc<str>> }

    struct AlterConfigsResponse {
        throttle_time_ms: i32,
        responses:        Vec<AlterConfigsResourceResponse>,
    }

    struct AlterConfigsResourceResponse {
        error_code:    ErrorCode,
        error_message: Option<Arc<str>>,
        resource_type: i8,
        resource_name: Arc<str>,
    }
}

//! Reading configuration of topics, brokers, groups and client metrics (KIP-133, KIP-226).

use super::*;

api! {
    DescribeConfigsRequest => DescribeConfigsResponse, key 32, versions 1-4, flexible 4+;

    struct DescribeConfigsRequest {
        resources:             Vec<DescribeConfigsResource>,
        include_synonyms:      bool,
        include_documentation: bool                         [must 3+],
    }

    struct DescribeConfigsResource {
        resource_type:      i8,
        resource_name:      Arc<str>,
        configuration_keys: Option<Vec<Arc<str>>>,
    }

    struct DescribeConfigsResponse {
        throttle_time_ms: i32,
        results:          Vec<DescribeConfigsResult>,
    }

    struct DescribeConfigsResult {
        error_code:    ErrorCode,
        error_message: Option<Arc<str>>,
        resource_type: i8,
        resource_name: Arc<str>,
        configs:       Vec<DescribeConfigsResourceResult>,
    }

    struct DescribeConfigsResourceResult {
        name:          Arc<str>,
        value:         Option<Arc<str>>,
        read_only:     bool,
        config_source: i8 = -1,
        is_sensitive:  bool,
        synonyms:      Vec<DescribeConfigsSynonym>,
        config_type:   i8                          [3+],
        documentation: Option<Arc<str>>            [3+],
    }

    struct DescribeConfigsSynonym { name: Arc<str>, value: Option<Arc<str>>, source: i8 }
}

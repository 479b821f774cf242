//! Reading quotas (KIP-546).

use super::*;

api! {
    DescribeClientQuotasRequest => DescribeClientQuotasResponse, key 48, versions 0-1, flexible 1+;

    struct DescribeClientQuotasRequest {
        components: Vec<DescribeClientQuotasComponentData>,
        strict:     bool,
    }

    struct DescribeClientQuotasComponentData {
        entity_type: Arc<str>,
        match_type:  i8,
        r#match:     Option<Arc<str>>,
    }

    struct DescribeClientQuotasResponse {
        throttle_time_ms: i32,
        error_code:       ErrorCode,
        error_message:    Option<Arc<str>>,
        entries:          Option<Vec<DescribeClientQuotasEntryData>>,
    }

    struct DescribeClientQuotasEntryData {
        entity: Vec<DescribeClientQuotasEntityData>,
        values: Vec<DescribeClientQuotasValueData>,
    }

    struct DescribeClientQuotasEntityData {
        entity_type: Arc<str>,
        entity_name: Option<Arc<str>>,
    }

    struct DescribeClientQuotasValueData { key: Arc<str>, value: f64 }
}

//! Setting quotas (KIP-546).

use super::*;

api! {
    AlterClientQuotasRequest => AlterClientQuotasResponse, key 49, versions 0-1, flexible 1+;

    struct AlterClientQuotasRequest {
        entries:       Vec<AlterClientQuotasRequestEntryData>,
        validate_only: bool,
    }

    struct AlterClientQuotasRequestEntryData {
        entity: Vec<AlterClientQuotasRequestEntityData>,
        ops:    Vec<AlterClientQuotasOpData>,
    }

    struct AlterClientQuotasRequestEntityData {
        entity_type: Arc<str>,
        entity_name: Option<Arc<str>>,
    }

    struct AlterClientQuotasOpData { key: Arc<str>, value: f64, remove: bool }

    struct AlterClientQuotasResponse {
        throttle_time_ms: i32,
        entries:          Vec<AlterClientQuotasResponseEntryData>,
    }

    struct AlterClientQuotasResponseEntryData {
        error_code:    ErrorCode,
        error_message: Option<Arc<str>>,
        entity:        Vec<AlterClientQuotasResponseEntityData>,
    }

    struct AlterClientQuotasResponseEntityData {
        entity_type: Arc<str>,
        entity_name: Option<Arc<str>>,
    }
}

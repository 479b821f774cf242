//! Raising and lowering feature levels (KIP-584, KIP-778).

use super::*;

api! {
    UpdateFeaturesRequest => UpdateFeaturesResponse, key 57, versions 0-2, flexible 0+;

    struct UpdateFeaturesRequest {
        timeout_ms:      i32 = 60000,
        feature_updates: Vec<FeatureUpdateKey>,
        validate_only:   bool                  [must 1+],
    }

    struct FeatureUpdateKey {
        feature:           Arc<str>,
        max_version_level: i16,
        allow_downgrade:   bool     [must 0],
        upgrade_type:      i8       [must 1+] = 1,
    }

    struct UpdateFeaturesResponse {
        throttle_time_ms: i32,
        error_code:       ErrorCode,
        error_message:    Option<Arc<str>>,
        results:          Vec<UpdatableFeatureResult> [0-1],
    }

    struct UpdatableFeatureResult {
        feature:       Arc<str>,
        error_code:    ErrorCode,
        error_message: Option<Arc<str>>,
    }
}

//! What a broker speaks: the first exchange on every connection (KIP-35, KIP-511).

use super::*;

api! {
    ApiVersionsRequest => ApiVersionsResponse, key 18, versions 0-5, flexible 3+;

    struct ApiVersionsRequest {
        client_software_name:    Arc<str> [3+],
        client_software_version: Arc<str> [3+],
        /// The cluster that the client means (KIP-1242).
        cluster_id:              Option<Arc<str>> [5+],
        /// The broker that the client means; -1 is any.
        node_id:                 i32 [5+] = -1,
    }

    /// A request in a version the broker does not speak is answered in version 0 with
    /// `UNSUPPORTED_VERSION`, whatever version was asked in.
    struct ApiVersionsResponse {
        error_code:               ErrorCode,
        api_keys:                 Vec<ApiVersion>,
        throttle_time_ms:         i32                   [1+],
        supported_features:       Vec<SupportedFeature> [3+ tag 0],
        /// Grows with every change of the finalized features; -1 is none.
        finalized_features_epoch: i64                   [3+ tag 1] = -1,
        finalized_features:       Vec<FinalizedFeature> [3+ tag 2],
        zk_migration_ready:       bool                  [3+ tag 3],
    }

    struct ApiVersion { api_key: i16, min_version: i16, max_version: i16 }

    struct SupportedFeature { name: Arc<str>, min_version: i16, max_version: i16 }

    struct FinalizedFeature { name: Arc<str>, max_version_level: i16, min_version_level: i16 }
}

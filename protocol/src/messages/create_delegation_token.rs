//! Creating a delegation token (KIP-48, KIP-373).

use super::*;

api! {
    CreateDelegationTokenRequest => CreateDelegationTokenResponse, key 38, versions 1-3, flexible 2+;

    struct CreateDelegationTokenRequest {
        owner_principal_type: Option<Arc<str>>       [must 3+],
        owner_principal_name: Option<Arc<str>>       [must 3+],
        renewers:             Vec<CreatableRenewers>,
        max_lifetime_ms:      i64,
    }

    struct CreatableRenewers { principal_type: Arc<str>, principal_name: Arc<str> }

    struct CreateDelegationTokenResponse {
        error_code:                     ErrorCode,
        principal_type:                 Arc<str>,
        principal_name:                 Arc<str>,
        token_requester_principal_type: Arc<str>  [must 3+],
        token_requester_principal_name: Arc<str>  [must 3+],
        issue_timestamp_ms:             i64,
        expiry_timestamp_ms:            i64,
        max_timestamp_ms:               i64,
        token_id:                       Arc<str>,
        hmac:                           Bytes,
        throttle_time_ms:               i32,
    }
}

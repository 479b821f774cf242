//! Prolonging a delegation token (KIP-48).

use super::*;

api! {
    RenewDelegationTokenRequest => RenewDelegationTokenResponse, key 39, versions 1-2, flexible 2+;

    struct RenewDelegationTokenRequest { hmac: Bytes, renew_period_ms: i64 }

    struct RenewDelegationTokenResponse {
        error_code:          ErrorCode,
        expiry_timestamp_ms: i64,
        throttle_time_ms:    i32,
    }
}

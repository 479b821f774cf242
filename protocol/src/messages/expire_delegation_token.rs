//! Ending a delegation token (KIP-48).

use super::*;

api! {
    ExpireDelegationTokenRequest => ExpireDelegationTokenResponse, key 40, versions 1-2, flexible 2+;

    struct ExpireDelegationTokenRequest { hmac: Bytes, expiry_time_period_ms: i64 }

    struct ExpireDelegationTokenResponse {
        error_code:          ErrorCode,
        expiry_timestamp_ms: i64,
        throttle_time_ms:    i32,
    }
}

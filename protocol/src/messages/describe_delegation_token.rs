//! Listing delegation tokens (KIP-48, KIP-373).

use super::*;

api! {
    DescribeDelegationTokenRequest => DescribeDelegationTokenResponse, key 41, versions 1-3, flexible 2+;

    struct DescribeDelegationTokenRequest { owners: Option<Vec<DescribeDelegationTokenOwner>> }

    struct DescribeDelegationTokenOwner { principal_type: Arc<str>, principal_name: Arc<str> }

    struct DescribeDelegationTokenResponse {
        error_code:       ErrorCode,
        tokens:           Vec<DescribedDelegationToken>,
        throttle_time_ms: i32,
    }

    struct DescribedDelegationToken {
        principal_type:                 Arc<str>,
        principal_name:                 Arc<str>,
        token_requester_principal_type: Arc<str>                             [must 3+],
        token_requester_principal_name: Arc<str>                             [must 3+],
        issue_timestamp:                i64,
        expiry_timestamp:               i64,
        max_timestamp:                  i64,
        token_id:                       Arc<str>,
        hmac:                           Bytes,
        renewers:                       Vec<DescribedDelegationTokenRenewer>,
    }

    struct DescribedDelegationTokenRenewer {
        principal_type: Arc<str>,
        principal_name: Arc<str>,
    }
}

//! Listing SCRAM users (KIP-554).

use super::*;

api! {
    DescribeUserScramCredentialsRequest => DescribeUserScramCredentialsResponse, key 50, versions 0-0, flexible 0+;

    struct DescribeUserScramCredentialsRequest {
        users: Option<Vec<DescribeUserScramCredentialsUserName>>,
    }

    struct DescribeUserScramCredentialsUserName { name: Arc<str> }

    struct DescribeUserScramCredentialsResponse {
        throttle_time_ms: i32,
        error_code:       ErrorCode,
        error_message:    Option<Arc<str>>,
        results:          Vec<DescribeUserScramCredentialsResult>,
    }

    struct DescribeUserScramCredentialsResult {
        user:             Arc<str>,
        error_code:       ErrorCode,
        error_message:    Option<Arc<str>>,
        credential_infos: Vec<DescribeUserScramCredentialsCredentialInfo>,
    }

    struct DescribeUserScramCredentialsCredentialInfo { mechanism: i8, iterations: i32 }
}

//! Forgetting a broker (KIP-500).

use super::*;

api! {
    UnregisterBrokerRequest => UnregisterBrokerResponse, key 64, versions 0-0, flexible 0+;

    struct UnregisterBrokerRequest { broker_id: i32 }

    struct UnregisterBrokerResponse {
        throttle_time_ms: i32,
        error_code:       ErrorCode,
        error_message:    Option<Arc<str>>,
    }
}

//! Forgetting a controller (KIP-1312).

use super::*;

api! {
    UnregisterControllerRequest => UnregisterControllerResponse, key 94, versions 0-0, flexible 0+;

    struct UnregisterControllerRequest { controller_id: i32 }

    struct UnregisterControllerResponse {
        throttle_time_ms: i32,
        error_code:       ErrorCode,
        error_message:    Option<Arc<str>>,
    }
}

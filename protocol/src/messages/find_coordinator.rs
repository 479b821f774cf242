//! Which broker coordinates a group or a transaction; many at once since KIP-699.

use super::*;

api! {
    FindCoordinatorRequest => FindCoordinatorResponse, key 10, versions 0-6, flexible 3+;

    struct FindCoordinatorRequest {
        key:              Arc<str>      [must 0-3],
        /// 0 is a group, 1 a transactional id, 2 a share group's partition.
        key_type:         i8            [must 1+],
        coordinator_keys: Vec<Arc<str>> [must 4+],
    }

    struct FindCoordinatorResponse {
        throttle_time_ms: i32                             [1+],
        error_code:       ErrorCode                       [must 0-3],
        error_message:    Option<Arc<str>>                [1-3],
        node_id:          i32                             [must 0-3],
        host:             Arc<str>                        [must 0-3],
        port:             i32                             [must 0-3],
        coordinators:     Vec<FindCoordinatorCoordinator> [must 4+],
    }

    struct FindCoordinatorCoordinator {
        key:           Arc<str>,
        node_id:       i32,
        host:          Arc<str>,
        port:          i32,
        error_code:    ErrorCode,
        error_message: Option<Arc<str>>,
    }
}

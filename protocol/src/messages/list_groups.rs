//! The groups that a broker coordinates, by state and type (KIP-518, KIP-848).

use super::*;

api! {
    ListGroupsRequest => ListGroupsResponse, key 16, versions 0-5, flexible 3+;

    struct ListGroupsRequest {
        states_filter: Vec<Arc<str>> [must 4+],
        types_filter:  Vec<Arc<str>> [must 5+],
    }

    struct ListGroupsResponse {
        throttle_time_ms: i32              [1+],
        error_code:       ErrorCode,
        groups:           Vec<ListedGroup>,
    }

    struct ListedGroup {
        group_id:      Arc<str>,
        protocol_type: Arc<str>,
        group_state:   Arc<str> [4+],
        group_type:    Arc<str> [5+],
    }
}

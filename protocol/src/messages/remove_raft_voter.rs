//! Removing a controller from the quorum (KIP-853).

use super::*;

api! {
    RemoveRaftVoterRequest => RemoveRaftVoterResponse, key 81, versions 0-0, flexible 0+;

    struct RemoveRaftVoterRequest {
        cluster_id:         Option<Arc<str>>,
        voter_id:           i32,
        voter_directory_id: Uuid,
    }

    struct RemoveRaftVoterResponse {
        throttle_time_ms: i32,
        error_code:       ErrorCode,
        error_message:    Option<Arc<str>>,
    }
}

//! Adding a controller to the quorum (KIP-853).

use super::*;

api! {
    AddRaftVoterRequest => AddRaftVoterResponse, key 80, versions 0-1, flexible 0+;

    struct AddRaftVoterRequest {
        cluster_id:         Option<Arc<str>>,
        timeout_ms:         i32,
        voter_id:           i32,
        voter_directory_id: Uuid,
        listeners:          Vec<AddRaftVoterListener>,
        ack_when_committed: bool                      [must 1+] = true,
    }

    struct AddRaftVoterListener { name: Arc<str>, host: Arc<str>, port: u16 }

    struct AddRaftVoterResponse {
        throttle_time_ms: i32,
        error_code:       ErrorCode,
        error_message:    Option<Arc<str>>,
    }
}

//! Structs that several responses have alike (KIP-951).

use super::*;

api! { @structs
    /// Where a broker lives that a response names by its id.
    struct NodeEndpoint { node_id: i32, host: Arc<str>, port: i32, rack: Option<Arc<str>> }

    /// Who leads a partition; -1 where the broker does not know.
    struct LeaderIdAndEpoch { leader_id: i32 = -1, leader_epoch: i32 = -1 }
}

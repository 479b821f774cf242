//! What members of a classic group tell each other, as bytes within JoinGroup and SyncGroup: what
//! each subscribes to, and what the leader assigned to it (KIP-429, KIP-792, KIP-881).
//!
//! The version stands in front as an `int16`. A reader takes a version it does not know for the
//! newest it knows, and ignores what follows.

use super::*;

api! { @structs
    /// What a member subscribes to, and what it holds.
    struct ConsumerProtocolSubscription {
        topics:           Vec<Arc<str>>,
        user_data:        Option<Bytes>,
        /// What the member had before this rebalance.
        owned_partitions: Vec<ConsumerProtocolPartitions> [1+],
        /// The generation in which it had them.
        generation_id:    i32                             [2+] = -1,
        rack_id:          Option<Arc<str>>                [3+],
    }

    /// What the leader assigned to a member.
    struct ConsumerProtocolAssignment {
        assigned_partitions: Vec<ConsumerProtocolPartitions>,
        user_data:           Option<Bytes>,
    }

    struct ConsumerProtocolPartitions { topic: Arc<str>, partitions: Vec<i32> }
}

impl ConsumerProtocolSubscription {
    /// The versions this crate speaks. None is flexible.
    pub const VERSIONS: RangeInclusive<i16> = 0..=3;
}

impl ConsumerProtocolAssignment {
    /// The versions this crate speaks. None is flexible.
    pub const VERSIONS: RangeInclusive<i16> = 0..=3;
}

//! Membership in a share group (KIP-932).

use super::*;

api! {
    ShareGroupHeartbeatRequest => ShareGroupHeartbeatResponse, key 76, versions 1-1, flexible 1+;

    struct ShareGroupHeartbeatRequest {
        group_id:               Arc<str>,
        member_id:              Arc<str>,
        member_epoch:           i32,
        rack_id:                Option<Arc<str>>,
        subscribed_topic_names: Option<Vec<Arc<str>>>,
    }

    struct ShareGroupHeartbeatResponse {
        throttle_time_ms:      i32,
        error_code:            ErrorCode,
        error_message:         Option<Arc<str>>,
        member_id:             Option<Arc<str>>,
        member_epoch:          i32,
        heartbeat_interval_ms: i32,
        assignment:            Option<ShareGroupHeartbeatAssignment>,
    }

    struct ShareGroupHeartbeatAssignment {
        topic_partitions: Vec<ShareGroupHeartbeatTopicPartitions>,
    }

    struct ShareGroupHeartbeatTopicPartitions { topic_id: Uuid, partitions: Vec<i32> }
}

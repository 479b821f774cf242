//! Membership in a group under the consumer protocol: join, stay, leave, assignment (KIP-848).

use super::*;

api! {
    ConsumerGroupHeartbeatRequest => ConsumerGroupHeartbeatResponse, key 68, versions 0-1, flexible 0+;

    struct ConsumerGroupHeartbeatRequest {
        group_id:               Arc<str>,
        member_id:              Arc<str>,
        member_epoch:           i32,
        instance_id:            Option<Arc<str>>,
        rack_id:                Option<Arc<str>>,
        rebalance_timeout_ms:   i32 = -1,
        subscribed_topic_names: Option<Vec<Arc<str>>>,
        subscribed_topic_regex: Option<Arc<str>>                                          [must 1+],
        server_assignor:        Option<Arc<str>>,
        topic_partitions:       Option<Vec<ConsumerGroupHeartbeatRequestTopicPartitions>>,
    }

    struct ConsumerGroupHeartbeatRequestTopicPartitions { topic_id: Uuid, partitions: Vec<i32> }

    struct ConsumerGroupHeartbeatResponse {
        throttle_time_ms:      i32,
        error_code:            ErrorCode,
        error_message:         Option<Arc<str>>,
        member_id:             Option<Arc<str>>,
        member_epoch:          i32,
        heartbeat_interval_ms: i32,
        assignment:            Option<ConsumerGroupHeartbeatAssignment>,
    }

    struct ConsumerGroupHeartbeatAssignment {
        topic_partitions: Vec<ConsumerGroupHeartbeatResponseTopicPartitions>,
    }

    struct ConsumerGroupHeartbeatResponseTopicPartitions {
        topic_id:   Uuid,
        partitions: Vec<i32>,
    }
}

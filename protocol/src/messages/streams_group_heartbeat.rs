//! A member of a streams group says that it lives, and is told its tasks (KIP-1071).

use super::*;

api! {
    StreamsGroupHeartbeatRequest => StreamsGroupHeartbeatResponse, key 88, versions 0-1, flexible 0+;

    struct StreamsGroupHeartbeatRequest {
        group_id:                   Arc<str>,
        member_id:                  Arc<str>,
        member_epoch:               i32,
        endpoint_information_epoch: i32,
        instance_id:                Option<Arc<str>>,
        rack_id:                    Option<Arc<str>>,
        rebalance_timeout_ms:       i32 = -1,
        topology:                   Option<StreamsGroupHeartbeatTopology>,
        active_tasks:               Option<Vec<StreamsGroupHeartbeatTaskIds>>,
        standby_tasks:              Option<Vec<StreamsGroupHeartbeatTaskIds>>,
        warmup_tasks:               Option<Vec<StreamsGroupHeartbeatTaskIds>>,
        process_id:                 Option<Arc<str>>,
        user_endpoint:              Option<StreamsGroupHeartbeatEndpoint>,
        client_tags:                Option<Vec<StreamsGroupHeartbeatKeyValue>>,
        task_offsets:               Option<Vec<StreamsGroupHeartbeatTaskOffset>>,
        task_end_offsets:           Option<Vec<StreamsGroupHeartbeatTaskOffset>>,
        shutdown_application:       bool,
    }

    struct StreamsGroupHeartbeatResponse {
        throttle_time_ms:                i32,
        error_code:                      ErrorCode,
        error_message:                   Option<Arc<str>>,
        member_id:                       Arc<str>,
        member_epoch:                    i32,
        heartbeat_interval_ms:           i32,
        acceptable_recovery_lag_legacy:  i32 [must 0-0],
        task_offset_interval_ms:         i32,
        acceptable_recovery_lag:         i64 [1+] = -1,
        status:                          Option<Vec<StreamsGroupHeartbeatStatus>>,
        active_tasks:                    Option<Vec<StreamsGroupHeartbeatTaskIds>>,
        standby_tasks:                   Option<Vec<StreamsGroupHeartbeatTaskIds>>,
        warmup_tasks:                    Option<Vec<StreamsGroupHeartbeatTaskIds>>,
        topology_description_required:   bool [must 1+],
        endpoint_information_epoch:      i32,
        partitions_by_user_endpoint:     Option<Vec<StreamsGroupHeartbeatEndpointToPartitions>>,
    }

    struct StreamsGroupHeartbeatTopology {
        epoch:         i32,
        subtopologies: Vec<StreamsGroupHeartbeatSubtopology>,
    }

    struct StreamsGroupHeartbeatSubtopology {
        subtopology_id:            Arc<str>,
        source_topics:             Vec<Arc<str>>,
        source_topic_regex:        Vec<Arc<str>>,
        state_changelog_topics:    Vec<StreamsGroupHeartbeatTopicInfo>,
        repartition_sink_topics:   Vec<Arc<str>>,
        repartition_source_topics: Vec<StreamsGroupHeartbeatTopicInfo>,
        copartition_groups:        Vec<StreamsGroupHeartbeatCopartitionGroup>,
    }

    /// Topics with the same partitions in each task, as indexes into the lists of the subtopology.
    struct StreamsGroupHeartbeatCopartitionGroup {
        source_topics:             Vec<i16>,
        source_topic_regex:        Vec<i16>,
        repartition_source_topics: Vec<i16>,
    }

    struct StreamsGroupHeartbeatTopicInfo {
        name:               Arc<str>,
        partitions:         i32,
        replication_factor: i16,
        topic_configs:      Vec<StreamsGroupHeartbeatKeyValue>,
    }

    struct StreamsGroupHeartbeatKeyValue { key: Arc<str>, value: Arc<str> }

    struct StreamsGroupHeartbeatTaskIds { subtopology_id: Arc<str>, partitions: Vec<i32> }

    struct StreamsGroupHeartbeatTaskOffset {
        subtopology_id: Arc<str>,
        partition:      i32,
        offset:         i64,
    }

    struct StreamsGroupHeartbeatEndpoint { host: Arc<str>, port: u16 }

    struct StreamsGroupHeartbeatStatus { status_code: i8, status_detail: Arc<str> }

    struct StreamsGroupHeartbeatEndpointToPartitions {
        user_endpoint:      StreamsGroupHeartbeatEndpoint,
        active_partitions:  Vec<StreamsGroupHeartbeatTopicPartition>,
        standby_partitions: Vec<StreamsGroupHeartbeatTopicPartition>,
    }

    struct StreamsGroupHeartbeatTopicPartition { topic: Arc<str>, partitions: Vec<i32> }
}

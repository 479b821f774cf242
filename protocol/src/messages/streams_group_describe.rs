//! State and members of streams groups (KIP-1071).

use super::*;

api! {
    StreamsGroupDescribeRequest => StreamsGroupDescribeResponse, key 89, versions 0-1, flexible 0+;

    struct StreamsGroupDescribeRequest {
        group_ids:                     Vec<Arc<str>>,
        include_authorized_operations: bool,
        include_topology_description:  bool          [must 1+],
    }

    struct StreamsGroupDescribeResponse {
        throttle_time_ms: i32,
        groups:           Vec<StreamsGroupDescribeDescribedGroup>,
    }

    struct StreamsGroupDescribeDescribedGroup {
        error_code:                  ErrorCode,
        error_message:               Option<Arc<str>>,
        group_id:                    Arc<str>,
        group_state:                 Arc<str>,
        group_epoch:                 i32,
        assignment_epoch:            i32,
        topology:                    Option<StreamsGroupDescribeTopology>,
        members:                     Vec<StreamsGroupDescribeMember>,
        authorized_operations:       i32 = i32::MIN,
        topology_description:        Option<StreamsGroupDescribeDescription> [must 1+],
        topology_description_status: i8                                      [must 1+],
        assignor_name:               Option<Arc<str>>                        [1+],
    }

    struct StreamsGroupDescribeTopology {
        epoch:         i32,
        subtopologies: Option<Vec<StreamsGroupDescribeSubtopology>>,
    }

    struct StreamsGroupDescribeMember {
        member_id:         Arc<str>,
        member_epoch:      i32,
        instance_id:       Option<Arc<str>>,
        rack_id:           Option<Arc<str>>,
        client_id:         Arc<str>,
        client_host:       Arc<str>,
        topology_epoch:    i32,
        process_id:        Arc<str>,
        user_endpoint:     Option<StreamsGroupDescribeEndpoint>,
        client_tags:       Vec<StreamsGroupDescribeKeyValue>,
        task_offsets:      Vec<StreamsGroupDescribeTaskOffset>,
        task_end_offsets:  Vec<StreamsGroupDescribeTaskOffset>,
        assignment:        StreamsGroupDescribeAssignment,
        target_assignment: StreamsGroupDescribeAssignment,
        is_classic:        bool,
    }

    struct StreamsGroupDescribeSubtopology {
        subtopology_id:            Arc<str>,
        source_topics:             Vec<Arc<str>>,
        repartition_sink_topics:   Vec<Arc<str>>,
        state_changelog_topics:    Vec<StreamsGroupDescribeTopicInfo>,
        repartition_source_topics: Vec<StreamsGroupDescribeTopicInfo>,
    }

    struct StreamsGroupDescribeEndpoint { host: Arc<str>, port: u16 }

    struct StreamsGroupDescribeKeyValue { key: Arc<str>, value: Arc<str> }

    struct StreamsGroupDescribeTaskOffset {
        subtopology_id: Arc<str>,
        partition:      i32,
        offset:         i64,
    }

    struct StreamsGroupDescribeAssignment {
        active_tasks:  Vec<StreamsGroupDescribeTaskIds>,
        standby_tasks: Vec<StreamsGroupDescribeTaskIds>,
        warmup_tasks:  Vec<StreamsGroupDescribeTaskIds>,
    }

    struct StreamsGroupDescribeTopicInfo {
        name:               Arc<str>,
        partitions:         i32,
        replication_factor: i16,
        topic_configs:      Vec<StreamsGroupDescribeKeyValue>,
    }

    struct StreamsGroupDescribeTaskIds { subtopology_id: Arc<str>, partitions: Vec<i32> }

    /// The topology as its application would print it.
    struct StreamsGroupDescribeDescription {
        subtopologies: Vec<StreamsGroupDescribeDescribedSubtopology>,
        global_stores: Vec<StreamsGroupDescribeGlobalStore>,
    }

    struct StreamsGroupDescribeDescribedSubtopology {
        subtopology_id: Arc<str>,
        nodes:          Vec<StreamsGroupDescribeNode>,
    }

    struct StreamsGroupDescribeGlobalStore {
        source:    StreamsGroupDescribeNode,
        processor: StreamsGroupDescribeNode,
    }

    struct StreamsGroupDescribeNode {
        name:          Arc<str>,
        node_type:     i8,
        source_topics: Vec<Arc<str>>,
        sink_topic:    Option<Arc<str>>,
        stores:        Vec<Arc<str>>,
        successors:    Vec<Arc<str>>,
    }
}

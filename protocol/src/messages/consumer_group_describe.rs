//! State and members of consumer groups (KIP-848).

use super::*;

api! {
    ConsumerGroupDescribeRequest => ConsumerGroupDescribeResponse, key 69, versions 0-1, flexible 0+;

    struct ConsumerGroupDescribeRequest {
        group_ids:                     Vec<Arc<str>>,
        include_authorized_operations: bool,
    }

    struct ConsumerGroupDescribeResponse {
        throttle_time_ms: i32,
        groups:           Vec<ConsumerGroupDescribeDescribedGroup>,
    }

    struct ConsumerGroupDescribeDescribedGroup {
        error_code:            ErrorCode,
        error_message:         Option<Arc<str>>,
        group_id:              Arc<str>,
        group_state:           Arc<str>,
        group_epoch:           i32,
        assignment_epoch:      i32,
        assignor_name:         Arc<str>,
        members:               Vec<ConsumerGroupDescribeMember>,
        authorized_operations: i32 = i32::MIN,
    }

    struct ConsumerGroupDescribeMember {
        member_id:              Arc<str>,
        instance_id:            Option<Arc<str>>,
        rack_id:                Option<Arc<str>>,
        member_epoch:           i32,
        client_id:              Arc<str>,
        client_host:            Arc<str>,
        subscribed_topic_names: Vec<Arc<str>>,
        subscribed_topic_regex: Option<Arc<str>>,
        assignment:             ConsumerGroupDescribeAssignment,
        target_assignment:      ConsumerGroupDescribeAssignment,
        member_type:            i8                              [1+] = -1,
    }

    struct ConsumerGroupDescribeAssignment {
        topic_partitions: Vec<ConsumerGroupDescribeTopicPartitions>,
    }

    struct ConsumerGroupDescribeTopicPartitions {
        topic_id:   Uuid,
        topic_name: Arc<str>,
        partitions: Vec<i32>,
    }
}

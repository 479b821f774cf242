//! State and members of share groups (KIP-932).

use super::*;

api! {
    ShareGroupDescribeRequest => ShareGroupDescribeResponse, key 77, versions 1-1, flexible 1+;

    struct ShareGroupDescribeRequest {
        group_ids:                     Vec<Arc<str>>,
        include_authorized_operations: bool,
    }

    struct ShareGroupDescribeResponse {
        throttle_time_ms: i32,
        groups:           Vec<ShareGroupDescribeDescribedGroup>,
    }

    struct ShareGroupDescribeDescribedGroup {
        error_code:            ErrorCode,
        error_message:         Option<Arc<str>>,
        group_id:              Arc<str>,
        group_state:           Arc<str>,
        group_epoch:           i32,
        assignment_epoch:      i32,
        assignor_name:         Arc<str>,
        members:               Vec<ShareGroupDescribeMember>,
        authorized_operations: i32 = i32::MIN,
    }

    struct ShareGroupDescribeMember {
        member_id:              Arc<str>,
        rack_id:                Option<Arc<str>>,
        member_epoch:           i32,
        client_id:              Arc<str>,
        client_host:            Arc<str>,
        subscribed_topic_names: Vec<Arc<str>>,
        assignment:             ShareGroupDescribeAssignment,
    }

    struct ShareGroupDescribeAssignment {
        topic_partitions: Vec<ShareGroupDescribeTopicPartitions>,
    }

    struct ShareGroupDescribeTopicPartitions {
        topic_id:   Uuid,
        topic_name: Arc<str>,
        partitions: Vec<i32>,
    }
}

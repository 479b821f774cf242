//! Where share groups start reading (KIP-932, KIP-1226).

use super::*;

api! {
    DescribeShareGroupOffsetsRequest => DescribeShareGroupOffsetsResponse, key 90, versions 0-1, flexible 0+;

    struct DescribeShareGroupOffsetsRequest {
        groups: Vec<DescribeShareGroupOffsetsRequestGroup>,
    }

    struct DescribeShareGroupOffsetsRequestGroup {
        group_id: Arc<str>,
        topics:   Option<Vec<DescribeShareGroupOffsetsRequestTopic>>,
    }

    struct DescribeShareGroupOffsetsRequestTopic { topic_name: Arc<str>, partitions: Vec<i32> }

    struct DescribeShareGroupOffsetsResponse {
        throttle_time_ms: i32,
        groups:           Vec<DescribeShareGroupOffsetsResponseGroup>,
    }

    struct DescribeShareGroupOffsetsResponseGroup {
        group_id:      Arc<str>,
        topics:        Vec<DescribeShareGroupOffsetsResponseTopic>,
        error_code:    ErrorCode,
        error_message: Option<Arc<str>>,
    }

    struct DescribeShareGroupOffsetsResponseTopic {
        topic_name: Arc<str>,
        topic_id:   Uuid,
        partitions: Vec<DescribeShareGroupOffsetsResponsePartition>,
    }

    struct DescribeShareGroupOffsetsResponsePartition {
        partition_index: i32,
        start_offset:    i64,
        leader_epoch:    i32,
        lag:             i64              [1+] = -1,
        error_code:      ErrorCode,
        error_message:   Option<Arc<str>>,
    }
}

//! Acquiring records as a member of a share group (KIP-932, KIP-1206).

use super::*;

api! {
    ShareFetchRequest => ShareFetchResponse, key 78, versions 1-2, flexible 1+;

    struct ShareFetchRequest {
        group_id:              Option<Arc<str>>,
        member_id:             Option<Arc<str>>,
        share_session_epoch:   i32,
        max_wait_ms:           i32,
        min_bytes:             i32,
        max_bytes:             i32 = i32::MAX,
        max_records:           i32,
        batch_size:            i32,
        share_acquire_mode:    i8                            [2+],
        is_renew_ack:          bool                          [must 2+],
        topics:                Vec<ShareFetchFetchTopic>,
        forgotten_topics_data: Vec<ShareFetchForgottenTopic>,
    }

    struct ShareFetchFetchTopic { topic_id: Uuid, partitions: Vec<ShareFetchFetchPartition> }

    struct ShareFetchForgottenTopic { topic_id: Uuid, partitions: Vec<i32> }

    struct ShareFetchFetchPartition {
        partition_index:         i32,
        acknowledgement_batches: Vec<ShareFetchAcknowledgementBatch>,
    }

    struct ShareFetchAcknowledgementBatch {
        first_offset:      i64,
        last_offset:       i64,
        acknowledge_types: Vec<i8>,
    }

    struct ShareFetchResponse {
        throttle_time_ms:            i32,
        error_code:                  ErrorCode,
        error_message:               Option<Arc<str>>,
        acquisition_lock_timeout_ms: i32,
        responses:                   Vec<ShareFetchableTopicResponse>,
        node_endpoints:              Vec<NodeEndpoint>,
    }

    struct ShareFetchableTopicResponse {
        topic_id:   Uuid,
        partitions: Vec<ShareFetchPartitionData>,
    }

    struct ShareFetchPartitionData {
        partition_index:           i32,
        error_code:                ErrorCode,
        error_message:             Option<Arc<str>>,
        acknowledge_error_code:    ErrorCode,
        acknowledge_error_message: Option<Arc<str>>,
        current_leader:            LeaderIdAndEpoch,
        records:                   Bytes,
        acquired_records:          Vec<AcquiredRecords>,
    }

    struct AcquiredRecords { first_offset: i64, last_offset: i64, delivery_count: i16 }
}

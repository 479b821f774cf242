//! Saying what became of acquired records (KIP-932, KIP-1222).

use super::*;

api! {
    ShareAcknowledgeRequest => ShareAcknowledgeResponse, key 79, versions 1-2, flexible 1+;

    struct ShareAcknowledgeRequest {
        group_id:            Option<Arc<str>>,
        member_id:           Option<Arc<str>>,
        share_session_epoch: i32,
        is_renew_ack:        bool                  [must 2+],
        topics:              Vec<AcknowledgeTopic>,
    }

    struct AcknowledgeTopic { topic_id: Uuid, partitions: Vec<AcknowledgePartition> }

    struct AcknowledgePartition {
        partition_index:         i32,
        acknowledgement_batches: Vec<ShareAcknowledgeAcknowledgementBatch>,
    }

    struct ShareAcknowledgeAcknowledgementBatch {
        first_offset:      i64,
        last_offset:       i64,
        acknowledge_types: Vec<i8>,
    }

    struct ShareAcknowledgeResponse {
        throttle_time_ms:            i32,
        error_code:                  ErrorCode,
        error_message:               Option<Arc<str>>,
        acquisition_lock_timeout_ms: i32                                [2+],
        responses:                   Vec<ShareAcknowledgeTopicResponse>,
        node_endpoints:              Vec<NodeEndpoint>,
    }

    struct ShareAcknowledgeTopicResponse {
        topic_id:   Uuid,
        partitions: Vec<ShareAcknowledgePartitionData>,
    }

    struct ShareAcknowledgePartitionData {
        partition_index: i32,
        error_code:      ErrorCode,
        error_message:   Option<Arc<str>>,
        current_leader:  LeaderIdAndEpoch,
    }
}

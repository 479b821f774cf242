//! State of the metadata quorum (KIP-595, KIP-836, KIP-853).

use super::*;

api! {
    DescribeQuorumRequest => DescribeQuorumResponse, key 55, versions 0-2, flexible 0+;

    struct DescribeQuorumRequest { topics: Vec<DescribeQuorumRequestTopicData> }

    struct DescribeQuorumRequestTopicData {
        topic_name: Arc<str>,
        partitions: Vec<DescribeQuorumRequestPartitionData>,
    }

    struct DescribeQuorumRequestPartitionData { partition_index: i32 }

    struct DescribeQuorumResponse {
        error_code:    ErrorCode,
        error_message: Option<Arc<str>>                     [2+],
        topics:        Vec<DescribeQuorumResponseTopicData>,
        nodes:         Vec<DescribeQuorumNode>              [must 2+],
    }

    struct DescribeQuorumResponseTopicData {
        topic_name: Arc<str>,
        partitions: Vec<DescribeQuorumResponsePartitionData>,
    }

    struct DescribeQuorumNode { node_id: i32, listeners: Vec<DescribeQuorumListener> }

    struct DescribeQuorumResponsePartitionData {
        partition_index: i32,
        error_code:      ErrorCode,
        error_message:   Option<Arc<str>>                [2+],
        leader_id:       i32,
        leader_epoch:    i32,
        high_watermark:  i64,
        current_voters:  Vec<DescribeQuorumReplicaState>,
        observers:       Vec<DescribeQuorumReplicaState>,
    }

    struct DescribeQuorumListener { name: Arc<str>, host: Arc<str>, port: u16 }

    struct DescribeQuorumReplicaState {
        replica_id:               i32,
        replica_directory_id:     Uuid [must 2+],
        log_end_offset:           i64,
        last_fetch_timestamp:     i64  [1+] = -1,
        last_caught_up_timestamp: i64  [1+] = -1,
    }
}

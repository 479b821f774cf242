//! Brokers, topics and partition leaders.

use super::*;

api! {
    MetadataRequest => MetadataResponse, key 3, versions 0-13, flexible 9+;

    struct MetadataRequest {
        /// Null is all topics, and so is none in version 0.
        topics:                                Option<Vec<MetadataRequestTopic>> [null 1+] = Some(Vec::new()),
        allow_auto_topic_creation:             bool                              [must 4+] = true,
        include_cluster_authorized_operations: bool                              [must 8-10],
        include_topic_authorized_operations:   bool                              [must 8+],
    }

    struct MetadataRequestTopic {
        topic_id: Uuid             [10+],
        name:     Option<Arc<str>> [null 10+] = Some("".into()),
    }

    struct MetadataResponse {
        throttle_time_ms:              i32                 [3+],
        brokers:                       Vec<MetadataBroker>,
        cluster_id:                    Option<Arc<str>>    [2+],
        controller_id:                 i32                 [1+] = -1,
        topics:                        Vec<MetadataTopic>,
        cluster_authorized_operations: i32                 [must 8-10] = i32::MIN,
        error_code:                    ErrorCode           [13+],
    }

    struct MetadataBroker {
        node_id: i32,
        host:    Arc<str>,
        port:    i32,
        rack:    Option<Arc<str>> [1+],
    }

    struct MetadataTopic {
        error_code:                  ErrorCode,
        name:                        Option<Arc<str>>       [null 12+] = Some("".into()),
        topic_id:                    Uuid                   [10+],
        is_internal:                 bool                   [1+],
        partitions:                  Vec<MetadataPartition>,
        topic_authorized_operations: i32                    [must 8+] = i32::MIN,
    }

    struct MetadataPartition {
        error_code:       ErrorCode,
        partition_index:  i32,
        leader_id:        i32,
        leader_epoch:     i32       [7+] = -1,
        replica_nodes:    Vec<i32>,
        isr_nodes:        Vec<i32>,
        offline_replicas: Vec<i32>  [5+],
    }
}

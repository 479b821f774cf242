//! Creating topics (KIP-4; validation only, and defaults, since KIP-464).

use super::*;

api! {
    CreateTopicsRequest => CreateTopicsResponse, key 19, versions 2-7, flexible 5+;

    struct CreateTopicsRequest {
        topics:        Vec<CreatableTopic>,
        timeout_ms:    i32 = 60000,
        validate_only: bool,
    }

    struct CreatableTopic {
        name:               Arc<str>,
        /// -1 is the broker's default (KIP-464), or as many as `assignments` has.
        num_partitions:     i32,
        /// -1 is the broker's default (KIP-464), or that of `assignments`.
        replication_factor: i16,
        assignments:        Vec<CreatableReplicaAssignment>,
        configs:            Vec<CreatableTopicConfig>,
    }

    struct CreatableReplicaAssignment { partition_index: i32, broker_ids: Vec<i32> }

    struct CreatableTopicConfig { name: Arc<str>, value: Option<Arc<str>> }

    struct CreateTopicsResponse { throttle_time_ms: i32, topics: Vec<CreatableTopicResult> }

    struct CreatableTopicResult {
        name:                    Arc<str>,
        topic_id:                Uuid                               [7+],
        error_code:              ErrorCode,
        error_message:           Option<Arc<str>>,
        num_partitions:          i32                                [5+] = -1,
        replication_factor:      i16                                [5+] = -1,
        configs:                 Option<Vec<CreatableTopicConfigs>> [5+],
        topic_config_error_code: ErrorCode                          [5+ tag 0],
    }

    struct CreatableTopicConfigs {
        name:          Arc<str>,
        value:         Option<Arc<str>>,
        read_only:     bool,
        config_source: i8 = -1,
        is_sensitive:  bool,
    }
}

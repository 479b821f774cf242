//! Adding partitions to a transaction; batched for brokers since KIP-890.

use super::*;

api! {
    AddPartitionsToTxnRequest => AddPartitionsToTxnResponse, key 24, versions 0-5, flexible 3+;

    struct AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: Arc<str>                           [must 0-3],
        v3_and_below_producer_id:      i64                                [must 0-3],
        v3_and_below_producer_epoch:   i16                                [must 0-3],
        v3_and_below_topics:           Vec<AddPartitionsToTxnTopic>       [must 0-3],
        transactions:                  Vec<AddPartitionsToTxnTransaction> [must 4+],
    }

    struct AddPartitionsToTxnTopic { name: Arc<str>, partitions: Vec<i32> }

    struct AddPartitionsToTxnTransaction {
        transactional_id: Arc<str>,
        producer_id:      i64,
        producer_epoch:   i16,
        verify_only:      bool,
        topics:           Vec<AddPartitionsToTxnTopic>,
    }

    struct AddPartitionsToTxnResponse {
        throttle_time_ms:              i32,
        results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult> [must 0-3],
        error_code:                    ErrorCode                          [4+],
        results_by_transaction:        Vec<AddPartitionsToTxnResult>      [must 4+],
    }

    struct AddPartitionsToTxnTopicResult {
        name:                 Arc<str>,
        results_by_partition: Vec<AddPartitionsToTxnPartitionResult>,
    }

    struct AddPartitionsToTxnResult {
        transactional_id: Arc<str>,
        topic_results:    Vec<AddPartitionsToTxnTopicResult>,
    }

    struct AddPartitionsToTxnPartitionResult {
        partition_index:      i32,
        partition_error_code: ErrorCode,
    }
}

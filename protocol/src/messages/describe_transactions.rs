//! State of transactions (KIP-664).

use super::*;

api! {
    DescribeTransactionsRequest => DescribeTransactionsResponse, key 65, versions 0-0, flexible 0+;

    struct DescribeTransactionsRequest { transactional_ids: Vec<Arc<str>> }

    struct DescribeTransactionsResponse {
        throttle_time_ms:   i32,
        transaction_states: Vec<DescribeTransactionsTransactionState>,
    }

    struct DescribeTransactionsTransactionState {
        error_code:                ErrorCode,
        transactional_id:          Arc<str>,
        transaction_state:         Arc<str>,
        transaction_timeout_ms:    i32,
        transaction_start_time_ms: i64,
        producer_id:               i64,
        producer_epoch:            i16,
        topics:                    Vec<DescribeTransactionsTopicData>,
    }

    struct DescribeTransactionsTopicData { topic: Arc<str>, partitions: Vec<i32> }
}

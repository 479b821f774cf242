//! Transactions that a broker coordinates (KIP-664, KIP-994, KIP-1152).

use super::*;

api! {
    ListTransactionsRequest => ListTransactionsResponse, key 66, versions 0-2, flexible 0+;

    struct ListTransactionsRequest {
        state_filters:            Vec<Arc<str>>,
        producer_id_filters:      Vec<i64>,
        duration_filter:          i64              [must 1+] = -1,
        transactional_id_pattern: Option<Arc<str>> [must 2+],
    }

    struct ListTransactionsResponse {
        throttle_time_ms:      i32,
        error_code:            ErrorCode,
        unknown_state_filters: Vec<Arc<str>>,
        transaction_states:    Vec<ListTransactionsTransactionState>,
    }

    struct ListTransactionsTransactionState {
        transactional_id:  Arc<str>,
        producer_id:       i64,
        transaction_state: Arc<str>,
    }
}

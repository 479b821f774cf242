//! A producer id and epoch, for idempotence and transactions (KIP-98, KIP-360).

use super::*;

api! {
    InitProducerIdRequest => InitProducerIdResponse, key 22, versions 0-6, flexible 2+;

    struct InitProducerIdRequest {
        transactional_id:       Option<Arc<str>>,
        transaction_timeout_ms: i32,
        producer_id:            i64              [must 3+] = -1,
        producer_epoch:         i16              [must 3+] = -1,
        /// Two-phase commit (KIP-939).
        enable2_pc:             bool             [must 6+],
        keep_prepared_txn:      bool             [must 6+],
    }

    struct InitProducerIdResponse {
        throttle_time_ms: i32,
        error_code:       ErrorCode,
        producer_id:      i64 = -1,
        producer_epoch:   i16,
        ongoing_txn_producer_id:    i64 [must 6+] = -1,
        ongoing_txn_producer_epoch: i16 [must 6+] = -1,
    }
}

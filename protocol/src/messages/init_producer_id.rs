//! A producer id and epoch, for idempotence and transactions (KIP-98, KIP-360).

use super::*;

api! {
    InitProducerIdRequest => InitProducerIdResponse, key 22, versions 0-5, flexible 2+;

    struct InitProducerIdRequest {
        transactional_id:       Option<Arc<str>>,
        transaction_timeout_ms: i32,
        producer_id:            i64              [must 3+] = -1,
        producer_epoch:         i16              [must 3+] = -1,
    }

    struct InitProducerIdResponse {
        throttle_time_ms: i32,
        error_code:       ErrorCode,
        producer_id:      i64 = -1,
        producer_epoch:   i16,
    }
}

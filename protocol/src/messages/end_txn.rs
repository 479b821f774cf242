//! Committing or aborting a transaction (epoch bump since KIP-890).

use super::*;

api! {
    EndTxnRequest => EndTxnResponse, key 26, versions 0-5, flexible 3+;

    struct EndTxnRequest {
        transactional_id: Arc<str>,
        producer_id:      i64,
        producer_epoch:   i16,
        committed:        bool,
    }

    struct EndTxnResponse {
        throttle_time_ms: i32,
        error_code:       ErrorCode,
        producer_id:      i64       [5+] = -1,
        producer_epoch:   i16       [5+] = -1,
    }
}

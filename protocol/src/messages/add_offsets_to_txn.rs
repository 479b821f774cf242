//! Adding a group's offsets to a transaction.

use super::*;

api! {
    AddOffsetsToTxnRequest => AddOffsetsToTxnResponse, key 25, versions 0-4, flexible 3+;

    struct AddOffsetsToTxnRequest {
        transactional_id: Arc<str>,
        producer_id:      i64,
        producer_epoch:   i16,
        group_id:         Arc<str>,
    }

    struct AddOffsetsToTxnResponse { throttle_time_ms: i32, error_code: ErrorCode }
}

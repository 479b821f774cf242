//! Writing the end of a transaction into partitions, as tools do for hung ones (KIP-664).

use super::*;

api! {
    WriteTxnMarkersRequest => WriteTxnMarkersResponse, key 27, versions 1-2, flexible 1+;

    struct WriteTxnMarkersRequest { markers: Vec<WritableTxnMarker> }

    struct WritableTxnMarker {
        producer_id:         i64,
        producer_epoch:      i16,
        transaction_result:  bool,
        topics:              Vec<WritableTxnMarkerTopic>,
        coordinator_epoch:   i32,
        transaction_version: i8                          [2+],
    }

    struct WritableTxnMarkerTopic { name: Arc<str>, partition_indexes: Vec<i32> }

    struct WriteTxnMarkersResponse { markers: Vec<WritableTxnMarkerResult> }

    struct WritableTxnMarkerResult {
        producer_id: i64,
        topics:      Vec<WritableTxnMarkerTopicResult>,
    }

    struct WritableTxnMarkerTopicResult {
        name:       Arc<str>,
        partitions: Vec<WritableTxnMarkerPartitionResult>,
    }

    struct WritableTxnMarkerPartitionResult { partition_index: i32, error_code: ErrorCode }
}

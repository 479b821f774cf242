//! A client's metrics (KIP-714).

use super::*;

api! {
    PushTelemetryRequest => PushTelemetryResponse, key 72, versions 0-0, flexible 0+;

    struct PushTelemetryRequest {
        client_instance_id: Uuid,
        subscription_id:    i32,
        terminating:        bool,
        compression_type:   i8,
        metrics:            Bytes,
    }

    struct PushTelemetryResponse { throttle_time_ms: i32, error_code: ErrorCode }
}

//! One step of SASL authentication (KIP-152, KIP-368).

use super::*;

api! {
    SaslAuthenticateRequest => SaslAuthenticateResponse, key 36, versions 0-2, flexible 2+;

    struct SaslAuthenticateRequest { auth_bytes: Bytes }

    struct SaslAuthenticateResponse {
        error_code:          ErrorCode,
        error_message:       Option<Arc<str>>,
        auth_bytes:          Bytes,
        session_lifetime_ms: i64              [1+],
    }
}

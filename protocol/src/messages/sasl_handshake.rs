//! Choosing a SASL mechanism (KIP-43).

use super::*;

api! {
    SaslHandshakeRequest => SaslHandshakeResponse, key 17, versions 0-1;

    struct SaslHandshakeRequest { mechanism: Arc<str> }

    struct SaslHandshakeResponse { error_code: ErrorCode, mechanisms: Vec<Arc<str>> }
}

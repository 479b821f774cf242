//! ApiVersions: exactly what is in the table of served APIs.

use ottla_protocol::{
    ErrorCode,
    messages::{ApiKey, ApiVersion, ApiVersionsRequest, ApiVersionsResponse},
};

use crate::dispatch::{Answer, Call, Handle, SERVED, Served};

/// The first version in which the client says what it is (KIP-511).
const NAMES_FROM: i16 = 3;

impl Handle for ApiVersionsRequest {
    async fn handle(self, call: Call<'_>) -> Answer<ApiVersionsResponse> {
        let names = [&self.client_software_name, &self.client_software_version];
        let well_named = call.version < NAMES_FROM || names.iter().all(|name| is_name(name));
        let is_meant = |id: &str| id == call.shared.cluster_id && self.node_id == call.broker;
        Answer::Response(response(match &self.cluster_id {
            _ if !well_named => ErrorCode::INVALID_REQUEST,
            // Both are named, or neither, as Kafka 4.4 wants it (KIP-1242).
            Some(_) if self.node_id < 0 => ErrorCode::INVALID_REQUEST,
            None if self.node_id >= 0 => ErrorCode::INVALID_REQUEST,
            Some(id) if !is_meant(id) => ErrorCode::REBOOTSTRAP_REQUIRED,
            _ => ErrorCode::NONE,
        }))
    }

    fn refuse(&self, code: ErrorCode, _: i16) -> Answer<ApiVersionsResponse> {
        Answer::Response(response(code))
    }
}

/// The answer with this error. With one, only the versions of ApiVersions itself are told, for a
/// client that has to ask again.
pub(crate) fn response(error_code: ErrorCode) -> ApiVersionsResponse {
    let told = |s: &&Served| error_code.is_ok() || s.key == ApiKey::ApiVersions;
    ApiVersionsResponse {
        error_code,
        api_keys: SERVED.iter().filter(told).map(range).collect(),
        ..ApiVersionsResponse::default()
    }
}

fn range(served: &Served) -> ApiVersion {
    // librdkafka turns compression off where Produce is not said to begin at 0. Kafka says so and
    // serves it from 3 on (KAFKA-18659).
    let min_version = match served.key {
        ApiKey::Produce => 0,
        _ => *served.versions.start(),
    };
    ApiVersion {
        api_key: served.key as i16,
        min_version,
        max_version: *served.versions.end(),
    }
}

/// Letters and digits, with dots and dashes between them (rule 3).
fn is_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    let outer = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    outer(bytes.first()) && outer(bytes.last()) && bytes.iter().all(|b| inner(*b))
}

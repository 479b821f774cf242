//! FindCoordinator: every group and every transaction has a broker.

use std::sync::Arc;

use ottla_protocol::{
    ErrorCode,
    messages::{FindCoordinatorCoordinator, FindCoordinatorRequest, FindCoordinatorResponse},
};

use crate::{
    dispatch::{Answer, Call, Handle},
    state::State,
};

/// The first version that asks for many at once (KIP-699).
const MANY_FROM: i16 = 4;
/// What a key can be.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

impl Handle for FindCoordinatorRequest {
    async fn handle(self, call: Call<'_>) -> Answer<FindCoordinatorResponse> {
        if !matches!(self.key_type, GROUP | TRANSACTION) {
            return self.refuse(ErrorCode::INVALID_REQUEST, call.version);
        }
        let state = call.shared.state();
        Answer::Response(answer(&self, call.version, |key| find(key, &state)))
    }

    fn refuse(&self, code: ErrorCode, version: i16) -> Answer<FindCoordinatorResponse> {
        Answer::Response(answer(self, version, |key| refused(key, code)))
    }
}

/// One coordinator in the fields of the response, or many in a list.
fn answer(
    request: &FindCoordinatorRequest,
    version: i16,
    find: impl Fn(&Arc<str>) -> FindCoordinatorCoordinator,
) -> FindCoordinatorResponse {
    if version >= MANY_FROM {
        return FindCoordinatorResponse {
            coordinators: request.coordinator_keys.iter().map(find).collect(),
            ..FindCoordinatorResponse::default()
        };
    }
    let one = find(&request.key);
    FindCoordinatorResponse {
        error_code: one.error_code,
        error_message: one.error_message,
        node_id: one.node_id,
        host: one.host,
        port: one.port,
        ..FindCoordinatorResponse::default()
    }
}

fn find(key: &Arc<str>, state: &State) -> FindCoordinatorCoordinator {
    match state.coordinator(key) {
        None => refused(key, ErrorCode::COORDINATOR_NOT_AVAILABLE),
        Some(broker) => FindCoordinatorCoordinator {
            key: key.clone(),
            node_id: broker.id,
            host: broker.host.clone(),
            port: broker.port.into(),
            ..FindCoordinatorCoordinator::default()
        },
    }
}

fn refused(key: &Arc<str>, code: ErrorCode) -> FindCoordinatorCoordinator {
    FindCoordinatorCoordinator {
        key: key.clone(),
        node_id: -1,
        host: "".into(),
        port: -1,
        error_code: code,
        error_message: Some(code.message().into()),
    }
}

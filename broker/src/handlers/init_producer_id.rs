//! InitProducerId: a new id for an idempotent producer. Transactions are not served yet, and are
//! refused with an error that no client tries again.

use ottla_protocol::{
    ErrorCode,
    messages::{InitProducerIdRequest, InitProducerIdResponse},
};

use crate::dispatch::{Answer, Call, Handle};

impl Handle for InitProducerIdRequest {
    async fn handle(self, call: Call<'_>) -> Answer<InitProducerIdResponse> {
        match self.transactional_id.as_deref() {
            // Whatever id and epoch the producer had before, it gets new ones, as from Kafka.
            None => Answer::Response(InitProducerIdResponse {
                producer_id: call.shared.state().next_producer_id(),
                ..InitProducerIdResponse::default()
            }),
            Some("") => self.refuse(ErrorCode::INVALID_REQUEST, call.version),
            Some(_) => self.refuse(
                ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                call.version,
            ),
        }
    }

    fn refuse(&self, code: ErrorCode, _: i16) -> Answer<InitProducerIdResponse> {
        Answer::Response(InitProducerIdResponse {
            error_code: code,
            producer_epoch: -1,
            ..InitProducerIdResponse::default()
        })
    }
}

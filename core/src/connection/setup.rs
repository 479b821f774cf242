//! What is said on a fresh connection before requests may go out: the question for API versions.
//!
//! The machine says which request comes next and reads its answer, so that what a listener asks for
//! later (SaslHandshake, SaslAuthenticate) is one more step here and nothing in the shell.

use std::fmt;

use ottla_protocol::{
    ErrorCode,
    frame::{self, Frame},
    messages::ApiVersionsRequest,
    wire::{DecodeError, EncodeError, Request},
};

use crate::versions::{Negotiated, Negotiation, Versions};

/// Sets connections to one broker up. It outlives a connection that is closed instead of an answer:
/// the next one is asked differently (rule 2).
#[derive(Debug)]
pub struct Setup<'a> {
    client_id: Option<&'a str>,
    software_version: &'a str,
    negotiation: Negotiation,
}

/// What comes next in a setup.
#[derive(Debug)]
pub enum Step {
    /// This request is to be sent, and its answer handed to [`Setup::handle_answer`].
    Send {
        /// The frame, without a correlation id yet.
        frame: Frame,
        /// Kafka's name of the request.
        api: &'static str,
    },
    /// The connection takes requests in these versions.
    Ready(Versions),
}

/// Why a connection cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetupError {
    /// The client id cannot be written.
    Encode(EncodeError),
    /// The answer cannot be read.
    Decode(DecodeError),
    /// The broker refused.
    Refused(ErrorCode),
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(e) => write!(f, "the request cannot be written: {e}"),
            Self::Decode(e) => write!(f, "the answer cannot be read: {e}"),
            Self::Refused(code) => write!(f, "{code}"),
        }
    }
}

impl std::error::Error for SetupError {}

impl<'a> Setup<'a> {
    /// `client_id` is `client.id`; `software_version` goes to the broker's metrics (KIP-511).
    #[must_use]
    pub fn new(client_id: Option<&'a str>, software_version: &'a str) -> Self {
        Self {
            client_id,
            software_version,
            negotiation: Negotiation::default(),
        }
    }

    /// The first step on a fresh connection.
    ///
    /// # Errors
    /// When the request cannot be written.
    pub fn begin(&self) -> Result<Step, SetupError> {
        let request = ApiVersionsRequest {
            client_software_name: "ottla".into(),
            client_software_version: self.software_version.into(),
        };
        let version = self.negotiation.version();
        let frame =
            frame::request(&request, version, self.client_id).map_err(SetupError::Encode)?;
        let api = ApiVersionsRequest::NAME;
        Ok(Step::Send { frame, api })
    }

    /// The step after an answer.
    ///
    /// # Errors
    /// When the answer cannot be read, or the broker refuses.
    pub fn handle_answer(&mut self, answer: &bytes::Bytes) -> Result<Step, SetupError> {
        let version = self.negotiation.version();
        // An unsupported version is answered in version 0 whatever was asked (rule 1).
        let response = frame::decode_response::<ApiVersionsRequest>(answer, version)
            .or_else(|e| frame::decode_response::<ApiVersionsRequest>(answer, 0).map_err(|_| e))
            .map_err(SetupError::Decode)?;
        match self.negotiation.handle_response(&response) {
            Negotiated::Done(versions) => Ok(Step::Ready(versions)),
            Negotiated::Again => self.begin(),
            Negotiated::Refused(code) => Err(SetupError::Refused(code)),
        }
    }

    /// The connection was closed instead of an answer. True when a new one is worth a try.
    pub fn handle_closed(&mut self) -> bool {
        self.negotiation.handle_closed()
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use ottla_protocol::messages::{ApiVersion, ApiVersionsResponse};

    use super::*;

    fn answer(version: i16, error_code: ErrorCode, max_version: i16) -> Bytes {
        let api_keys = vec![ApiVersion {
            api_key: ApiVersionsRequest::KEY,
            min_version: 0,
            max_version,
        }];
        let response = ApiVersionsResponse {
            error_code,
            api_keys,
            ..ApiVersionsResponse::default()
        };
        let frame = frame::response::<ApiVersionsRequest>(&response, version, 0);
        let segments = frame.expect("it can be written").into_segments();
        let whole: BytesMut = segments.flatten().collect();
        whole.freeze().slice(4..)
    }

    fn asked(step: &Result<Step, SetupError>) -> i16 {
        let Ok(Step::Send { frame, .. }) = step else {
            panic!("{step:?}");
        };
        let bytes: Vec<u8> = frame.clone().into_segments().flatten().collect();
        i16::from_be_bytes([bytes[6], bytes[7]])
    }

    #[test]
    fn the_versions_are_asked_for_and_the_connection_is_ready() {
        let mut setup = Setup::new(Some("me"), "1");
        let newest = *ApiVersionsRequest::VERSIONS.end();
        assert_eq!(asked(&setup.begin()), newest);
        let step = setup.handle_answer(&answer(newest, ErrorCode::NONE, newest));
        assert!(matches!(step, Ok(Step::Ready(_))), "{step:?}");
    }

    #[test]
    fn an_answer_in_version_0_leads_to_the_version_that_it_names() {
        let mut setup = Setup::new(None, "1");
        let old = answer(0, ErrorCode::UNSUPPORTED_VERSION, 2);
        assert_eq!(asked(&setup.handle_answer(&old)), 2);
    }

    #[test]
    fn refusals_and_answers_that_cannot_be_read_are_told_apart() {
        let refused = answer(0, ErrorCode::CLUSTER_AUTHORIZATION_FAILED, 2);
        let code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        let step = Setup::new(None, "1").handle_answer(&refused);
        assert_eq!(step.expect_err("it is refused"), SetupError::Refused(code));
        let step = Setup::new(None, "1").handle_answer(&Bytes::from_static(&[0; 5]));
        assert!(matches!(step, Err(SetupError::Decode(_))), "{step:?}");
    }
}

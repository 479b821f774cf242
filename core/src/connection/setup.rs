//! What is said on a fresh connection before requests may go out: the question for API versions.
//!
//! The machine says which request comes next and reads its answer, so that what a listener asks for
//! later (SaslHandshake, SaslAuthenticate) is one more step here and nothing in the shell.

use std::{fmt, sync::Arc};

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
    meant: Option<Meant>,
    negotiation: Negotiation,
}

/// The first version that names the broker which is meant.
const NAMES_BROKER: i16 = 5;

/// The broker that a connection is meant for. One that is another refuses it, so that requests do not
/// reach a broker of another cluster which took over the address (KIP-1242).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meant {
    /// Its cluster.
    pub cluster_id: Arc<str>,
    /// Its id.
    pub node_id: i32,
}

impl fmt::Display for Meant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broker {} of cluster {}", self.node_id, self.cluster_id)
    }
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
    /// It is not the broker that is meant.
    Misrouted(Meant),
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(e) => write!(f, "the request cannot be written: {e}"),
            Self::Decode(e) => write!(f, "the answer cannot be read: {e}"),
            Self::Refused(code) => write!(f, "{code}"),
            Self::Misrouted(meant) => write!(f, "another broker answers there than {meant}"),
        }
    }
}

impl std::error::Error for SetupError {}

impl<'a> Setup<'a> {
    /// `client_id` is `client.id`; `software_version` goes to the broker's metrics (KIP-511). The broker
    /// that is meant is given only where the broker is known to take it.
    #[must_use]
    pub fn new(
        client_id: Option<&'a str>,
        software_version: &'a str,
        meant: Option<Meant>,
    ) -> Self {
        let negotiation = match meant {
            Some(_) => Negotiation::asking_in(NAMES_BROKER),
            None => Negotiation::default(),
        };
        Self {
            client_id,
            software_version,
            meant,
            negotiation,
        }
    }

    /// Whether a broker with these versions takes the name of the broker that is meant.
    #[must_use]
    pub fn takes_name(versions: &Versions) -> bool {
        versions.newest_api_versions() >= NAMES_BROKER
    }

    /// The first step on a fresh connection.
    ///
    /// # Errors
    /// When the request cannot be written.
    pub fn begin(&self) -> Result<Step, SetupError> {
        let request = ApiVersionsRequest {
            client_software_name: "ottla".into(),
            client_software_version: self.software_version.into(),
            cluster_id: self.meant.as_ref().map(|meant| meant.cluster_id.clone()),
            node_id: self.meant.as_ref().map_or(-1, |meant| meant.node_id),
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
            Negotiated::Refused(code) => Err(match &self.meant {
                Some(meant) if code == ErrorCode::REBOOTSTRAP_REQUIRED => {
                    SetupError::Misrouted(meant.clone())
                }
                _ => SetupError::Refused(code),
            }),
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
    use crate::versions::FIRST_VERSION;

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
        let mut setup = Setup::new(Some("me"), "1", None);
        assert_eq!(asked(&setup.begin()), FIRST_VERSION);
        let step = setup.handle_answer(&answer(FIRST_VERSION, ErrorCode::NONE, 5));
        assert!(matches!(step, Ok(Step::Ready(_))), "{step:?}");
    }

    #[test]
    fn a_broker_that_hangs_up_is_asked_again_but_not_for_ever() {
        let mut setup = Setup::new(None, "1", None);
        assert!(setup.handle_closed());
        assert_eq!(asked(&setup.begin()), FIRST_VERSION);
        assert!(setup.handle_closed());
        assert_eq!(asked(&setup.begin()), 0);
        assert!(!setup.handle_closed());
    }

    #[test]
    fn brokers_from_version_5_on_take_the_name_of_the_one_that_is_meant() {
        let takes = |newest| {
            let answer = answer(FIRST_VERSION, ErrorCode::NONE, newest);
            match Setup::new(None, "1", None).handle_answer(&answer) {
                Ok(Step::Ready(versions)) => Setup::takes_name(&versions),
                step => panic!("{step:?}"),
            }
        };
        assert!(!takes(4) && takes(5));
    }

    #[test]
    fn an_answer_in_version_0_leads_to_the_version_that_it_names() {
        let mut setup = Setup::new(None, "1", None);
        let old = answer(0, ErrorCode::UNSUPPORTED_VERSION, 2);
        assert_eq!(asked(&setup.handle_answer(&old)), 2);
    }

    #[test]
    fn the_broker_that_is_meant_is_named_to_a_broker_that_takes_it() {
        let meant = Meant {
            cluster_id: "c".into(),
            node_id: 3,
        };
        let mut setup = Setup::new(None, "1", Some(meant.clone()));
        assert_eq!(asked(&setup.begin()), NAMES_BROKER);
        let refused = answer(NAMES_BROKER, ErrorCode::REBOOTSTRAP_REQUIRED, 5);
        let step = setup.handle_answer(&refused);
        assert_eq!(
            step.expect_err("it is another"),
            SetupError::Misrouted(meant)
        );
        // One that was replaced by an older one is asked without.
        let old = answer(0, ErrorCode::UNSUPPORTED_VERSION, 4);
        assert_eq!(asked(&setup.handle_answer(&old)), 4);
    }

    #[test]
    fn refusals_and_answers_that_cannot_be_read_are_told_apart() {
        let refused = answer(0, ErrorCode::CLUSTER_AUTHORIZATION_FAILED, 2);
        let code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        let step = Setup::new(None, "1", None).handle_answer(&refused);
        assert_eq!(step.expect_err("it is refused"), SetupError::Refused(code));
        let step = Setup::new(None, "1", None).handle_answer(&Bytes::from_static(&[0; 5]));
        assert!(matches!(step, Err(SetupError::Decode(_))), "{step:?}");
    }
}

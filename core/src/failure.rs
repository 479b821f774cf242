//! Why a request has no result, as the machines see it.
//!
//! A failure of the client itself is not dressed up as a broker's error code: a machine that must tell
//! "the broker refused" from "the connection ended" reads it here.

use ottla_protocol::{ErrorCode, wire::EncodeError};

use crate::versions::VersionError;

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The broker answered with this error.
    Broker(ErrorCode),
    /// No answer came: the connection failed, or the time was up.
    Lost {
        /// Whether bytes of the request had left. The broker may then have applied it (rule 6).
        possibly_written: bool,
    },
    /// The request was never sent, and a repetition would not change that.
    Unsendable(Unsendable),
}

/// Why a request cannot be sent to a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsendable {
    /// The client and the broker have no version of the request in common.
    Version(VersionError),
    /// The request cannot be encoded in the version that the broker speaks.
    Encode(EncodeError),
}

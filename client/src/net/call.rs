//! A request on its way into a link.

use bytes::Bytes;
use ottla_core::versions::Versions;
use ottla_protocol::frame::Frame;
use tokio::{sync::oneshot, time::Instant};

use crate::error::{Error, Result};

/// Where the answer goes: its version and its bytes.
pub(super) type Reply = oneshot::Sender<Result<(i16, Bytes)>>;

/// Writes the request once it is known which versions the broker speaks.
pub(super) type Encode = Box<dyn FnOnce(&Versions, Option<&str>) -> Result<(i16, Frame)> + Send>;

/// A request on its way into a link.
pub(super) struct Call {
    pub(super) api: &'static str,
    pub(super) encode: Encode,
    pub(super) deadline: Instant,
    /// False for a request that brokers do not answer (`acks=0`).
    pub(super) answered: bool,
    pub(super) reply: Reply,
}

impl Call {
    pub(super) fn fail(self, error: Error) {
        // The caller may have given up.
        let _: Result<_, _> = self.reply.send(Err(error));
    }
}

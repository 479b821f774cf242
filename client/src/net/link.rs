//! A handle to the connection of one broker for one use.
//!
//! Calls go through a bounded queue to the task in `session`, which connects, sends and fails what is
//! outstanding when the connection ends. Whether to try again is the caller's decision: the caller
//! knows what the request means.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use ottla_core::{routing::only_reads, versions::VersionError};
use ottla_protocol::{
    frame,
    wire::{EncodeError, Request},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::{Instant, timeout_at},
};

use super::{
    address::Address,
    call::{Call, Encode},
    dialer::{Dialer, Use},
    peers::Peers,
    session::Task,
};
use crate::error::{Error, ErrorKind, Result};

/// Calls that may wait for a connection.
const QUEUE: usize = 64;
/// What was closed when a link's task is gone.
const CLIENT: &str = "the client";

/// A handle to the task. Dropping the last one ends the task and closes the connection.
#[derive(Debug)]
pub(crate) struct Link {
    calls: mpsc::Sender<Call>,
    address: Address,
    task: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link {
    pub(crate) fn new(address: Address, purpose: Use, dialer: Dialer, peers: Peers) -> Self {
        let (calls, queue) = mpsc::channel(QUEUE);
        let task = Task {
            address: address.clone(),
            purpose,
            dialer,
            peers,
        };
        let task = tokio::spawn(task.run(queue)).abort_handle();
        Self {
            calls,
            address,
            task,
        }
    }

    /// Whether its task has ended, which it does not while this handle lives, unless it panicked.
    pub(crate) fn is_closed(&self) -> bool {
        self.calls.is_closed()
    }

    /// Sends a request in the newest version both sides speak, up to `cap`, and waits for its answer.
    ///
    /// Dropping the future does not take the request back: it may be on the wire already, and its
    /// answer is then read and discarded.
    pub(crate) async fn request<R: Request + Sync>(
        &self,
        request: Arc<R>,
        cap: i16,
        timeout: Duration,
    ) -> Result<R::Response> {
        let answer = self.answer(request, cap, timeout).await;
        match answer {
            Err(error) if only_reads(R::KEY) => Err(error.of_reading()),
            answer => answer,
        }
    }

    async fn answer<R: Request + Sync>(
        &self,
        request: Arc<R>,
        cap: i16,
        timeout: Duration,
    ) -> Result<R::Response> {
        let (version, answer) = self
            .call(R::NAME, encoder(request, cap), true, timeout)
            .await?;
        frame::decode_response::<R>(&answer, version).map_err(|e| {
            Error::unsure(
                ErrorKind::Decode(e),
                format!("{} {version} from {}", R::NAME, self.address),
            )
        })
    }

    /// Sends a request that is not answered; done when its bytes are written.
    pub(crate) async fn send_unanswered<R: Request + Sync>(
        &self,
        request: Arc<R>,
        cap: i16,
        timeout: Duration,
    ) -> Result<()> {
        self.call(R::NAME, encoder(request, cap), false, timeout)
            .await
            .map(drop)
    }

    async fn call(
        &self,
        api: &'static str,
        encode: Encode,
        answered: bool,
        timeout: Duration,
    ) -> Result<(i16, Bytes)> {
        let (reply, answer) = oneshot::channel();
        let deadline = Instant::now() + timeout;
        let call = Call {
            api,
            encode,
            deadline,
            answered,
            reply,
        };
        let doing = || format!("{api} to {}", self.address);
        match timeout_at(deadline, self.calls.send(call)).await {
            Err(_) => return Err(self.overdue(api, timeout)),
            Ok(Err(_)) => return Err(Error::closed(CLIENT, doing())),
            Ok(Ok(())) => {}
        }
        let lost = || Error::unsure(ErrorKind::Closed { what: CLIENT }, doing());
        answer.await.unwrap_or_else(|_| Err(lost()))
    }

    fn overdue(&self, api: &str, timeout: Duration) -> Error {
        let kind = ErrorKind::Timeout {
            after_ms: timeout.as_millis(),
            last: None,
        };
        Error::new(kind, format!("{api} to {}", self.address))
    }
}

/// Writes a request once it is known what the broker speaks, in no newer version than `cap`.
fn encoder<R: Request + Sync>(request: Arc<R>, cap: i16) -> Encode {
    Box::new(move |versions, client_id| {
        let version = versions.pick_up_to::<R>(cap).map_err(version_error)?;
        let frame = frame::request(&*request, version, client_id).map_err(encode_error)?;
        Ok((version, frame))
    })
}

fn version_error(e: VersionError) -> Error {
    Error::new(ErrorKind::Version(e), "choosing a version")
}

fn encode_error(e: EncodeError) -> Error {
    Error::new(ErrorKind::Encode(e), "writing a request")
}

//! One connection: takes a request off it, has it handled, writes the answer, and only then looks
//! at the next, as Kafka does. Answers are in order because nothing is done out of order.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::Arc,
};

use bytes::{Buf, Bytes, BytesMut};
use ottla_protocol::{
    ErrorCode,
    frame::{self, RequestHeader},
    messages::{ApiKey, ApiVersionsRequest},
    records::Decompressor,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::Notify,
};

use crate::{
    dispatch::{Call, Outcome, Served},
    handlers::api_versions,
    state::Shared,
};

/// What is read at once, and the most that a frame reserves before its bytes are there.
const READ: usize = 64 << 10;

/// One connection of a client to a broker.
pub(crate) struct Connection<S> {
    io: S,
    shared: Arc<Shared>,
    broker: i32,
    buffer: BytesMut,
    wake: Arc<Notify>,
    decompressor: Decompressor,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    pub(crate) fn new(io: S, shared: Arc<Shared>, broker: i32) -> Self {
        Self {
            io,
            shared,
            broker,
            buffer: BytesMut::new(),
            wake: Arc::default(),
            decompressor: Decompressor::default(),
        }
    }

    /// Serves the client until either side closes the connection.
    pub(crate) async fn run(mut self) {
        let broker = self.broker;
        match self.serve().await {
            Ok(()) => tracing::debug!(broker, "the client closed a connection"),
            Err(error) => tracing::info!(broker, %error, "closed a connection"),
        }
    }

    async fn serve(&mut self) -> io::Result<()> {
        while let Some(frame) = self.next_frame().await? {
            match self.answer(frame).await {
                Outcome::Write(segments) => self.write(segments).await?,
                Outcome::Nothing => {}
                Outcome::Hang => return self.hang().await,
                Outcome::Close(why) => return Err(io::Error::other(why)),
            }
        }
        Ok(())
    }

    /// The next frame without its size; `None` when the client is done.
    async fn next_frame(&mut self) -> io::Result<Option<Bytes>> {
        if !self.fill(4).await? {
            return Ok(None);
        }
        let size = self.buffer.get_i32();
        let limit = self.shared.settings.max_request_bytes;
        let size = usize::try_from(size).ok().filter(|n| *n <= limit);
        let too_large = || io::Error::other(format!("a frame of no or more than {limit} bytes"));
        let size = size.ok_or_else(too_large)?;
        if !self.fill(size).await? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(self.buffer.split_to(size).freeze()))
    }

    /// Reads until there are so many bytes; false when the client is done before the first of them.
    async fn fill(&mut self, size: usize) -> io::Result<bool> {
        while self.buffer.len() < size {
            self.buffer
                .reserve(READ.min(size - self.buffer.len()).max(4096));
            if self.io.read_buf(&mut self.buffer).await? > 0 {
                continue;
            }
            if self.buffer.is_empty() {
                return Ok(false);
            }
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(true)
    }

    async fn answer(&mut self, frame: Bytes) -> Outcome {
        let Some((key, version, correlation_id)) = peek(&frame) else {
            return Outcome::Close("a frame too short for a request".to_owned());
        };
        let Some(api) = Served::find(key) else {
            return Outcome::Close(format!("API {key} is not served"));
        };
        if !api.versions.contains(&version) {
            return unsupported(api, version, correlation_id);
        }
        let (header, body) = match RequestHeader::decode(&frame, |_| api.flexible) {
            Ok(decoded) => decoded,
            Err(e) => return Outcome::Close(format!("a malformed request header: {e}")),
        };
        let call = Call {
            shared: &self.shared,
            broker: self.broker,
            version,
            wake: &self.wake,
            decompressor: &mut self.decompressor,
        };
        tracing::trace!(broker = self.broker, api = ?api.key, version, "a request");
        (api.run)(header, body, call).await
    }

    async fn write(&mut self, segments: Vec<Bytes>) -> io::Result<()> {
        let mut segments = Segments(segments.into());
        self.io.write_all_buf(&mut segments).await?;
        self.io.flush().await
    }

    /// Answers nothing any more, until the client goes away.
    async fn hang(&mut self) -> io::Result<()> {
        while self.io.read_buf(&mut self.buffer).await? > 0 {
            self.buffer.clear();
        }
        Ok(())
    }
}

/// API key, version and correlation id, which stand first in a request of any version.
fn peek(frame: &[u8]) -> Option<(i16, i16, i32)> {
    let mut first: &[u8] = frame.get(..8)?;
    Some((first.get_i16(), first.get_i16(), first.get_i32()))
}

/// A client may ask for a version of ApiVersions that is not known yet; it is told in version 0
/// what is (KIP-511). Any other request in such a version ends the connection.
fn unsupported(api: &Served, version: i16, correlation_id: i32) -> Outcome {
    if api.key != ApiKey::ApiVersions {
        return Outcome::Close(format!("{:?} has no version {version} here", api.key));
    }
    let response = api_versions::response(ErrorCode::UNSUPPORTED_VERSION);
    match frame::response::<ApiVersionsRequest>(&response, 0, correlation_id) {
        Ok(frame) => Outcome::Write(frame.into_segments().collect()),
        Err(e) => Outcome::Close(format!("the response cannot be written: {e}")),
    }
}

/// Segments that are written in order, many with one call.
struct Segments(VecDeque<Bytes>);

impl Buf for Segments {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |b| b)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = slices.iter_mut().zip(&self.0);
        filled
            .map(|(slice, bytes)| *slice = IoSlice::new(bytes))
            .count()
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(first) = self.0.front_mut() {
            let step = count.min(first.len());
            first.advance(step);
            count -= step;
            if !first.is_empty() {
                return;
            }
            self.0.pop_front();
        }
    }
}

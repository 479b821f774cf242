//! One connection to one broker, for one use: a task that owns the socket and its machine.
//!
//! Calls come through a bounded queue. The task connects when there is a call and no connection,
//! finds out the broker's versions, and fails what is outstanding when the connection ends; whether
//! to try again is the caller's decision, who knows what the request means.

use std::{
    future::{Future, poll_fn},
    io::IoSlice,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use ottla_core::{
    backoff::{Attempts, Backoff},
    cluster::Broker,
    connection::{Connection, Fault, Outgoing, Written},
    versions::{Negotiated, Negotiation, Versions},
};
use ottla_protocol::{
    frame::{self, Frame},
    messages::ApiVersionsRequest,
    wire::Request,
};
use tokio::{
    io::AsyncReadExt,
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    error::{Error, ErrorKind, Result},
    net::connect::{Connect, Stream},
    seeds::Seeds,
};

/// Calls that may wait for a connection.
const QUEUE: usize = 64;
/// Requests that may be unanswered on one connection; more wait in the queue.
const MAX_IN_FLIGHT: usize = 64;
/// Segments offered to one `writev`.
const SLICES: usize = 64;

/// How connections are made; shared by all links of a client.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub(crate) connect: Arc<dyn Connect>,
    pub(crate) client_id: Option<Arc<str>>,
    pub(crate) setup_timeout: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) max_frame: usize,
    pub(crate) seeds: Seeds,
}

/// A host and port, as it is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address {
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
}

impl Address {
    /// The address that a broker advertises.
    pub(crate) fn of(broker: &Broker) -> Self {
        Self {
            host: broker.host.clone(),
            port: broker.port,
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

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

type Reply = oneshot::Sender<Result<(i16, Bytes)>>;
type Encode = Box<dyn FnOnce(&Versions, Option<&str>) -> Result<(i16, Frame)> + Send>;

/// A request on its way into a link.
struct Call {
    api: &'static str,
    encode: Encode,
    deadline: Instant,
    answered: bool,
    reply: Reply,
}

/// What is kept of a call while its answer is awaited.
struct Pending {
    version: i16,
    reply: Reply,
}

impl Link {
    pub(crate) fn new(address: Address, dialer: Dialer) -> Self {
        let (calls, queue) = mpsc::channel(QUEUE);
        let task = Task {
            address: address.clone(),
            dialer,
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
        let closed = || Error::new(ErrorKind::Closed, format!("{api} to {}", self.address));
        match timeout_at(deadline, self.calls.send(call)).await {
            Err(_) => return Err(self.overdue(api, timeout)),
            Ok(Err(_)) => return Err(closed()),
            Ok(Ok(())) => {}
        }
        let lost = || Error::unsure(ErrorKind::Closed, format!("{api} to {}", self.address));
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

fn version_error(e: ottla_core::versions::VersionError) -> Error {
    Error::new(ErrorKind::Version(e), "choosing a version")
}

fn encode_error(e: ottla_protocol::wire::EncodeError) -> Error {
    Error::new(ErrorKind::Encode(e), "writing a request")
}

struct Task {
    address: Address,
    dialer: Dialer,
}

/// A connection whose versions are known.
struct Open {
    io: Box<dyn Stream>,
    machine: Connection<Pending>,
    versions: Versions,
}

impl Task {
    async fn run(self, mut queue: mpsc::Receiver<Call>) {
        let mut attempts = Attempts::new(self.dialer.seeds.next());
        let mut not_before = Instant::now();
        while let Some(call) = queue.recv().await {
            sleep_until(not_before.min(call.deadline)).await;
            if call.deadline <= Instant::now() {
                let doing = format!("connecting to {}", self.address);
                let kind = ErrorKind::Connect("it failed before, and the time is up".into());
                let _: Result<_, _> = call.reply.send(Err(Error::new(kind, doing)));
                continue;
            }
            match self.open(call.deadline).await {
                Ok(open) => {
                    attempts.reset();
                    self.serve(open, call, &mut queue).await;
                }
                Err(error) => {
                    tracing::debug!(broker = %self.address, %error, "no connection");
                    not_before = Instant::now() + attempts.delay(&self.dialer.backoff);
                    let _: Result<_, _> = call.reply.send(Err(error.clone()));
                    while let Ok(call) = queue.try_recv() {
                        let _: Result<_, _> = call.reply.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// Connects and finds out the versions. An old broker may close the connection instead of
    /// answering, which takes another; the next time it is asked as if nothing were known (rule 2).
    async fn open(&self, deadline: Instant) -> Result<Open> {
        let deadline = deadline.min(Instant::now() + self.dialer.setup_timeout);
        let started = Instant::now();
        let mut negotiation = Negotiation::default();
        loop {
            let mut io = self.dial(started, deadline).await?;
            let mut machine = Connection::new(self.dialer.max_frame);
            match self
                .negotiate(&mut negotiation, &mut *io, &mut machine, started, deadline)
                .await
            {
                Ok(versions) => {
                    return Ok(Open {
                        io,
                        machine,
                        versions,
                    });
                }
                Err(error) => {
                    let hung_up = match error.kind() {
                        ErrorKind::Disconnected(fault) => {
                            matches!(fault, Fault::Closed | Fault::ClosedAtOnce)
                        }
                        ErrorKind::Io(_) => true,
                        _ => false,
                    };
                    if !hung_up || !negotiation.handle_closed() {
                        return Err(error);
                    }
                }
            }
        }
    }

    async fn dial(&self, started: Instant, deadline: Instant) -> Result<Box<dyn Stream>> {
        let Address { host, port } = &self.address;
        let doing = || format!("connecting to {}", self.address);
        match timeout_at(deadline, self.dialer.connect.connect(host, *port)).await {
            Ok(Ok(io)) => Ok(io),
            Ok(Err(e)) => Err(Error::new(ErrorKind::Connect(e.to_string()), doing())),
            Err(_) => {
                let after = (deadline - started).as_millis();
                let kind = ErrorKind::Connect(format!("no answer within {after} ms"));
                Err(Error::new(kind, doing()))
            }
        }
    }

    async fn negotiate(
        &self,
        negotiation: &mut Negotiation,
        io: &mut dyn Stream,
        machine: &mut Connection<Pending>,
        started: Instant,
        deadline: Instant,
    ) -> Result<Versions> {
        let doing = format!("asking {} for its API versions", self.address);
        loop {
            let version = negotiation.version();
            let request = ApiVersionsRequest {
                client_software_name: "ottla".into(),
                client_software_version: env!("CARGO_PKG_VERSION").into(),
            };
            let frame = frame::request(&request, version, self.dialer.client_id.as_deref());
            let frame = frame.map_err(encode_error)?;
            let now = Instant::now();
            // The whole setup has one limit, and the error is to say that one.
            let timeout = deadline - started;
            let (reply, _) = oneshot::channel();
            let token = Pending { version, reply };
            let out = Outgoing {
                frame,
                api: "ApiVersions",
                timeout,
                answered: true,
                token,
            };
            machine.handle_request(now.into_std(), out);
            let answer = tokio::select! {
                biased;
                answer = next_answer(io, machine) => answer.map_err(|kind| Error::new(kind, doing.as_str()))?,
                () = sleep_until(deadline) => {
                    let fault = Fault::TimedOut { api: "ApiVersions", after: timeout };
                    return Err(Error::new(ErrorKind::Disconnected(fault), doing));
                }
            };
            // An unsupported version is answered in version 0 whatever was asked (rule 1).
            let response = frame::decode_response::<ApiVersionsRequest>(&answer, version)
                .or_else(|e| {
                    frame::decode_response::<ApiVersionsRequest>(&answer, 0).map_err(|_| e)
                })
                .map_err(|e| Error::new(ErrorKind::Decode(e), doing.as_str()))?;
            match negotiation.handle_response(&response) {
                Negotiated::Done(versions) => return Ok(versions),
                Negotiated::Again => {}
                Negotiated::Refused(code) => return Err(Error::broker(code, doing)),
            }
        }
    }

    /// Carries calls until the connection ends, and then fails what is outstanding.
    async fn serve(&self, mut open: Open, first: Call, queue: &mut mpsc::Receiver<Call>) {
        self.accept(&mut open, first);
        let why = loop {
            let timeout = open.machine.poll_timeout();
            let overdue = sleep_until(timeout.map_or_else(Instant::now, Instant::from_std));
            tokio::select! {
                biased;
                call = queue.recv(), if open.machine.in_flight() < MAX_IN_FLIGHT => match call {
                    Some(call) => self.accept(&mut open, call),
                    None => break ErrorKind::Closed,
                },
                moved = poll_fn(|cx| transfer(cx, &mut *open.io, &mut open.machine)) => {
                    if let Err(kind) = moved.and_then(|()| deliver(&mut open.machine)) {
                        break kind;
                    }
                }
                () = overdue, if timeout.is_some() => {
                    if let Err(fault) = open.machine.handle_timeout(Instant::now().into_std()) {
                        break ErrorKind::Disconnected(fault);
                    }
                }
            }
        };
        let doing = format!("waiting for {}", self.address);
        tracing::debug!(broker = %self.address, why = %why, "connection ended");
        for (pending, written) in open.machine.into_unanswered() {
            let error = match written {
                Written::Nothing => Error::new(why.clone(), doing.as_str()),
                Written::Something => Error::unsure(why.clone(), doing.as_str()),
            };
            let _: Result<_, _> = pending.reply.send(Err(error));
        }
    }

    fn accept(&self, open: &mut Open, call: Call) {
        let Call {
            api,
            encode,
            deadline,
            answered,
            reply,
        } = call;
        if reply.is_closed() {
            return;
        }
        if deadline <= Instant::now() {
            let kind = ErrorKind::Timeout {
                after_ms: 0,
                last: Some("it waited for its turn too long".into()),
            };
            let doing = format!("{api} to {}", self.address);
            let _: Result<_, _> = reply.send(Err(Error::new(kind, doing)));
            return;
        }
        match encode(&open.versions, self.dialer.client_id.as_deref()) {
            Err(error) => {
                let error = Error::new(error.kind().clone(), format!("{api} to {}", self.address));
                let _: Result<_, _> = reply.send(Err(error));
            }
            Ok((version, frame)) => {
                let now = Instant::now();
                let timeout = deadline.saturating_duration_since(now);
                let token = Pending { version, reply };
                let out = Outgoing {
                    frame,
                    api,
                    timeout,
                    answered,
                    token,
                };
                open.machine.handle_request(now.into_std(), out);
            }
        }
    }
}

/// Hands answers to whoever waits for them.
fn deliver(machine: &mut Connection<Pending>) -> Result<(), ErrorKind> {
    while let Some((pending, answer)) = machine.poll_response().map_err(ErrorKind::Disconnected)? {
        let _: Result<_, _> = pending.reply.send(Ok((pending.version, answer)));
    }
    while let Some(pending) = machine.poll_sent() {
        let _: Result<_, _> = pending.reply.send(Ok((pending.version, Bytes::new())));
    }
    Ok(())
}

async fn next_answer(
    io: &mut dyn Stream,
    machine: &mut Connection<Pending>,
) -> Result<Bytes, ErrorKind> {
    loop {
        poll_fn(|cx| transfer(cx, io, machine)).await?;
        if let Some((_, answer)) = machine.poll_response().map_err(ErrorKind::Disconnected)? {
            return Ok(answer);
        }
    }
}

/// Moves bytes in both directions as far as the socket goes; ready when any moved.
fn transfer(
    cx: &mut Context<'_>,
    io: &mut dyn Stream,
    machine: &mut Connection<Pending>,
) -> Poll<Result<(), ErrorKind>> {
    let mut moved = false;
    while machine.wants_to_write() {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let n = machine.poll_transmit(&mut slices);
        let slices = slices.get(..n).unwrap_or_default();
        match Pin::new(&mut *io).poll_write_vectored(cx, slices) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(ErrorKind::Disconnected(Fault::Closed))),
            Poll::Ready(Ok(n)) => machine.handle_written(n),
            Poll::Ready(Err(e)) => return Poll::Ready(Err(ErrorKind::Io(e.to_string()))),
            Poll::Pending => break,
        }
        moved = true;
    }
    match pin!(io.read_buf(machine.read_buffer())).poll(cx) {
        Poll::Ready(Ok(0)) => Poll::Ready(Err(ErrorKind::Disconnected(machine.handle_closed()))),
        Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
        Poll::Ready(Err(e)) => Poll::Ready(Err(ErrorKind::Io(e.to_string()))),
        Poll::Pending if moved => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    }
}

//! The task of a link: it owns the socket and the connection's machine.
//!
//! It connects when there is a call and no connection, sets the connection up, serves it until it ends
//! or was idle for `connections.max.idle.ms`, and waits before it connects again after a failure.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    time::Duration,
};

use bytes::Bytes;
use ottla_core::{
    backoff::Attempts,
    connection::{
        Connection, Fault, Outgoing, Written,
        setup::{Setup, SetupError, Step},
    },
    versions::Versions,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    address::Address,
    call::{Call, Reply},
    connect::ByteStream,
    dialer::{Dialer, Use},
    peers::Peers,
    socket::{next_answer, transfer},
};
use crate::error::{Error, ErrorKind, Result};

/// Requests that may be unanswered on one connection; more wait in the queue.
const MAX_IN_FLIGHT: usize = 64;

pub(super) struct Task {
    pub(super) address: Address,
    pub(super) purpose: Use,
    pub(super) dialer: Dialer,
    pub(super) peers: Peers,
}

/// What is kept of a call while its answer is awaited. A request of the setup has no caller.
#[derive(Default)]
struct Pending {
    version: i16,
    reply: Option<Reply>,
}

impl Pending {
    fn send(self, answer: Result<(i16, Bytes)>) {
        // The caller may have given up.
        let _: Option<Result<_, _>> = self.reply.map(|reply| reply.send(answer));
    }
}

/// A connection whose versions are known.
struct Open {
    io: Box<dyn ByteStream>,
    machine: Connection<Pending>,
    versions: Versions,
    /// When a request was last made or answered.
    used: Instant,
}

/// When the next connection may be made, and why the last attempt failed.
struct Reconnect {
    attempts: Attempts,
    not_before: Instant,
    failure: Option<Error>,
}

/// Calls that wait for a connection, in the order they came.
struct Waiting(Vec<Call>);

impl Waiting {
    /// Takes in calls while something goes on. Each has its own time: one that has little left neither
    /// ends an attempt to connect that others wait for, nor do they wait longer than they may.
    async fn during<T>(
        &mut self,
        what: impl Future<Output = T>,
        queue: &mut mpsc::Receiver<Call>,
        overdue: impl Fn() -> Error,
    ) -> T {
        let mut what = pin!(what);
        loop {
            let next = self.0.iter().map(|call| call.deadline).min();
            tokio::select! {
                biased;
                done = &mut what => return done,
                Some(call) = queue.recv(), if self.0.len() < MAX_IN_FLIGHT => self.0.push(call),
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    let now = Instant::now();
                    for call in self.0.extract_if(.., |call| call.deadline <= now) {
                        call.fail(overdue());
                    }
                }
            }
        }
    }
}

impl Task {
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Call>) {
        let mut reconnect = Reconnect {
            attempts: Attempts::new(self.dialer.seeds.next()),
            not_before: Instant::now(),
            failure: None,
        };
        while let Some(call) = queue.recv().await {
            let mut waiting = Waiting(vec![call]);
            let pause = sleep_until(reconnect.not_before);
            let still = || self.still_waiting(&reconnect);
            waiting.during(pause, &mut queue, still).await;
            if waiting.0.is_empty() {
                continue;
            }
            let started = Instant::now();
            let late = || self.late(started, Instant::now());
            let opened = waiting.during(self.open(started), &mut queue, late).await;
            match opened {
                Ok(open) => {
                    reconnect.attempts.reset();
                    reconnect.failure = None;
                    self.serve(open, waiting, &mut queue).await;
                }
                Err(error) => {
                    let pause = reconnect.attempts.delay(&self.dialer.backoff);
                    tracing::debug!(broker = %self.address, purpose = ?self.purpose, %error, ?pause, "cannot connect");
                    reconnect.not_before = Instant::now() + pause;
                    for call in waiting.0 {
                        call.fail(error.clone());
                    }
                    while let Ok(call) = queue.try_recv() {
                        call.fail(error.clone());
                    }
                    reconnect.failure = Some(error);
                }
            }
        }
    }

    /// The error of a call whose time is up before the next attempt: that of the last attempt.
    fn still_waiting(&self, reconnect: &Reconnect) -> Error {
        reconnect.failure.clone().unwrap_or_else(|| {
            let kind = ErrorKind::Timeout {
                after_ms: 0,
                last: None,
            };
            Error::new(kind, format!("connecting to {}", self.address))
        })
    }

    /// The error of a call whose time is up before there is a connection.
    fn late(&self, started: Instant, deadline: Instant) -> Error {
        let after = (deadline - started).as_millis();
        let late = format!("no answer within {after} ms");
        let late = std::io::Error::new(std::io::ErrorKind::TimedOut, late);
        let doing = format!("connecting to {}", self.address);
        Error::new(ErrorKind::Connect(late.into()), doing)
    }

    /// Connects and sets the connection up. An old broker may close the connection instead of
    /// answering, which takes another; the next time it is asked as if nothing were known (rule 2).
    async fn open(&self, started: Instant) -> Result<Open> {
        let deadline = started + self.dialer.setup_timeout;
        let client_id = self.dialer.client_id.as_deref();
        // An answer for metadata says which cluster it comes from, and errors then name both clusters.
        let checks = self.dialer.checks_cluster && self.purpose != Use::Metadata;
        let meant = self.peers.meant(&self.address).filter(|_| checks);
        let mut setup = Setup::new(client_id, env!("CARGO_PKG_VERSION"), meant);
        loop {
            let mut io = self.dial(started, deadline).await?;
            let mut machine = Connection::new(self.dialer.max_frame, self.dialer.frames.clone());
            match self
                .set_up(&mut setup, &mut *io, &mut machine, started, deadline)
                .await
            {
                Ok(versions) => {
                    self.peers
                        .learn(&self.address, Setup::takes_name(&versions));
                    let apis = versions.common().count();
                    tracing::info!(broker = %self.address, purpose = ?self.purpose, apis, "connected");
                    return Ok(Open {
                        io,
                        machine,
                        versions,
                        used: Instant::now(),
                    });
                }
                Err(error) if hung_up(&error) && setup.handle_closed() => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn dial(&self, started: Instant, deadline: Instant) -> Result<Box<dyn ByteStream>> {
        let Address { host, port } = &self.address;
        let doing = || format!("connecting to {}", self.address);
        match timeout_at(deadline, self.dialer.connect.connect(host, *port)).await {
            Ok(Ok(io)) => Ok(io),
            Ok(Err(e)) => Err(Error::new(ErrorKind::Connect(e.into()), doing())),
            Err(_) => Err(self.late(started, deadline)),
        }
    }

    async fn set_up(
        &self,
        setup: &mut Setup<'_>,
        io: &mut dyn ByteStream,
        machine: &mut Connection<Pending>,
        started: Instant,
        deadline: Instant,
    ) -> Result<Versions> {
        let doing = format!("asking {} for its API versions", self.address);
        let failed = |error| Error::new(setup_error(error), doing.as_str());
        // The whole setup has one limit, and the error is to say that one.
        let timeout = deadline - started;
        let mut step = setup.begin().map_err(failed)?;
        loop {
            let (frame, api) = match step {
                Step::Ready(versions) => return Ok(versions),
                Step::Send { frame, api } => (frame, api),
            };
            let out = Outgoing {
                frame,
                api,
                timeout,
                answered: true,
                token: Pending::default(),
            };
            machine.handle_request(Instant::now().into_std(), out);
            let answer = timeout_at(deadline, next_answer(io, machine)).await;
            let late = || {
                ErrorKind::Disconnected(Fault::TimedOut {
                    api,
                    after: timeout,
                })
            };
            let answer = answer.unwrap_or_else(|_| Err(late()));
            let answer = answer.map_err(|kind| Error::new(kind, doing.as_str()))?;
            step = setup.handle_answer(&answer).map_err(failed)?;
        }
    }

    /// Carries calls until the connection ends, and then fails what is outstanding.
    async fn serve(&self, mut open: Open, first: Waiting, queue: &mut mpsc::Receiver<Call>) {
        for call in first.0 {
            self.accept(&mut open, call);
        }
        let why = loop {
            // What is idle has no request to time out, and what is not is not closed as idle.
            let timeout = open.machine.poll_timeout().map(Instant::from_std);
            let wake = timeout.unwrap_or(open.used + self.dialer.max_idle);
            tokio::select! {
                biased;
                call = queue.recv(), if open.machine.in_flight() < MAX_IN_FLIGHT => match call {
                    Some(call) => self.accept(&mut open, call),
                    None => break ErrorKind::Closed { what: "the client" },
                },
                moved = poll_fn(|cx| transfer(cx, &mut *open.io, &mut open.machine)) => {
                    if let Err(kind) = moved.and_then(|()| open.deliver()) {
                        break kind;
                    }
                }
                () = sleep_until(wake) => match timeout {
                    None => {
                        tracing::debug!(broker = %self.address, purpose = ?self.purpose, "closed an idle connection");
                        return;
                    }
                    Some(_) => {
                        if let Err(fault) = open.machine.handle_timeout(Instant::now().into_std()) {
                            break ErrorKind::Disconnected(fault);
                        }
                    }
                },
            }
        };
        self.fail_outstanding(open.machine, &why);
    }

    fn fail_outstanding(&self, machine: Connection<Pending>, why: &ErrorKind) {
        let doing = format!("waiting for {}", self.address);
        let unanswered = machine.in_flight();
        tracing::debug!(broker = %self.address, purpose = ?self.purpose, %why, unanswered, "connection ended");
        for (pending, written) in machine.into_unanswered() {
            let error = match written {
                Written::Nothing => Error::new(why.clone(), doing.as_str()),
                Written::Something => Error::unsure(why.clone(), doing.as_str()),
            };
            pending.send(Err(error));
        }
    }

    fn accept(&self, open: &mut Open, call: Call) {
        if call.reply.is_closed() {
            return;
        }
        let now = Instant::now();
        let timeout = call.deadline.saturating_duration_since(now);
        let doing = || format!("{} to {}", call.api, self.address);
        if timeout == Duration::ZERO {
            let kind = ErrorKind::Timeout {
                after_ms: 0,
                last: Some("its time was up before it could be sent".into()),
            };
            let error = Error::new(kind, doing());
            return call.fail(error);
        }
        match (call.encode)(&open.versions, self.dialer.client_id.as_deref()) {
            Err(error) => {
                let error = Error::new(error.kind().clone(), doing());
                let _: Result<_, _> = call.reply.send(Err(error));
            }
            Ok((version, frame)) => {
                let reply = Some(call.reply);
                let out = Outgoing {
                    frame,
                    api: call.api,
                    timeout,
                    answered: call.answered,
                    token: Pending { version, reply },
                };
                open.used = now;
                open.machine.handle_request(now.into_std(), out);
            }
        }
    }
}

impl Open {
    /// Hands answers to the callers that wait for them.
    fn deliver(&mut self) -> Result<(), ErrorKind> {
        while let Some((pending, answer)) = self
            .machine
            .poll_response()
            .map_err(ErrorKind::Disconnected)?
        {
            self.used = Instant::now();
            let version = pending.version;
            pending.send(Ok((version, answer)));
        }
        while let Some(pending) = self.machine.poll_sent() {
            let version = pending.version;
            pending.send(Ok((version, Bytes::new())));
        }
        Ok(())
    }
}

/// Whether the connection ended, rather than brought an answer that is no use.
fn hung_up(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Disconnected(fault) => matches!(fault, Fault::Closed | Fault::ClosedAtOnce),
        ErrorKind::Io(_) => true,
        _ => false,
    }
}

fn setup_error(error: SetupError) -> ErrorKind {
    match error {
        SetupError::Encode(error) => ErrorKind::Encode(error),
        SetupError::Decode(error) => ErrorKind::Decode(error),
        SetupError::Refused(code) => ErrorKind::Broker(code),
        SetupError::Misrouted(meant) => ErrorKind::Misrouted(meant.to_string()),
    }
}

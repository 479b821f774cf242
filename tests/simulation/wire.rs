//! Pipes to the brokers on which bytes are slow, come in pieces, or never.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use ottla::{ByteStream, Connect, Connecting};
use ottla_broker::Cluster;
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    time::{Sleep, sleep},
};

use crate::faults::Faults;

/// Makes pipes to the brokers of a cluster.
pub(crate) struct Wiring {
    pub(crate) cluster: Cluster,
    pub(crate) faults: Arc<Faults>,
}

impl Connect for Wiring {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        let pipe = self.cluster.connect(host, port);
        Box::pin(async move {
            let faults = self.faults.clone();
            faults.count_connect();
            if faults.strikes(faults.weather.refused) {
                faults.note(format!("{host} is not reached"));
                sleep(faults.up_to(faults.weather.latency)).await;
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let io = pipe.await?;
            let wire = Wire {
                io,
                faults,
                host: host.to_owned(),
                state: State::Well,
                answers: None,
            };
            Ok(Box::new(wire) as Box<dyn ByteStream>)
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Well,
    /// Nothing comes back any more.
    Deaf,
    Cut,
}

struct Wire {
    io: DuplexStream,
    faults: Arc<Faults>,
    host: String,
    state: State,
    /// When what was sent last may be answered.
    answers: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    fn weather(&mut self) {
        let faults = &self.faults;
        if self.state == State::Well && faults.strikes(faults.weather.deaf) {
            faults.note(format!("nothing comes back from {} any more", self.host));
            self.state = State::Deaf;
        }
        if faults.strikes(faults.weather.cuts) {
            faults.note(format!("the wire to {} is cut", self.host));
            self.state = State::Cut;
        }
        if self.answers.is_none() && faults.storm() {
            self.answers = Some(Box::pin(sleep(faults.up_to(faults.weather.latency))));
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.state {
            State::Well => {}
            // The reader has a time limit.
            State::Deaf => return Poll::Pending,
            State::Cut => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
        if let Some(answers) = &mut self.answers {
            ready!(answers.as_mut().poll(cx));
            self.answers = None;
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    /// Of what is cut off, the first part still arrives.
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.state == State::Cut {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.weather();
        let part = match self.state {
            State::Cut => self.faults.below(buf.len() + 1),
            _ => buf.len(),
        };
        if part == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.io).poll_write(cx, &buf[..part])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

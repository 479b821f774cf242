//! Signals that end the command: Ctrl-C, SIGTERM and SIGHUP. The first one asks for a clean end, the
//! second one ends the process at once.

use std::{fmt, future::pending, process};

#[cfg(unix)]
use tokio::select;
use tokio::sync::watch;

/// A signal that asks the command to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(unix), allow(dead_code, reason = "elsewhere there is only Ctrl-C"))]
pub(crate) enum Signal {
    Hangup,
    Interrupt,
    Terminate,
}

impl Signal {
    /// 128 and the number of the signal, as shells count.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Hangup => 129,
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hangup => "SIGHUP",
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// Listens for signals from when it is made. Until then they do what they do by themselves.
#[derive(Debug)]
pub(crate) struct Signals(watch::Receiver<Option<Signal>>);

impl Signals {
    /// Listens on a task of its own, so that the second signal ends the process even while the
    /// command is stuck in a write that nobody reads.
    pub(crate) fn listen() -> Self {
        let (told, seen) = watch::channel(None);
        let mut streams = Streams::open();
        tokio::spawn(async move {
            told.send_replace(Some(streams.next().await));
            process::exit(streams.next().await.exit_code().into());
        });
        Self(seen)
    }

    /// Done when the first signal came.
    pub(crate) async fn first(&mut self) -> Signal {
        match self.0.wait_for(Option::is_some).await.map(|signal| *signal) {
            Ok(Some(signal)) => signal,
            // The task listens as long as the runtime lives.
            _ => pending().await,
        }
    }
}

/// The signals as they come.
#[cfg(unix)]
struct Streams([Option<tokio::signal::unix::Signal>; 3]);

#[cfg(unix)]
impl Streams {
    fn open() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [
            SignalKind::hangup(),
            SignalKind::interrupt(),
            SignalKind::terminate(),
        ];
        // A signal that cannot be listened to still does what it does by itself.
        Self(kinds.map(|kind| signal(kind).ok()))
    }

    async fn next(&mut self) -> Signal {
        async fn received(stream: &mut Option<tokio::signal::unix::Signal>) {
            let received = match stream {
                Some(stream) => stream.recv().await,
                None => None,
            };
            if received.is_none() {
                pending::<()>().await;
            }
        }
        let [hangup, interrupt, terminate] = &mut self.0;
        select! {
            () = received(hangup) => Signal::Hangup,
            () = received(interrupt) => Signal::Interrupt,
            () = received(terminate) => Signal::Terminate,
        }
    }
}

/// Elsewhere there is Ctrl-C.
#[cfg(not(unix))]
struct Streams;

#[cfg(not(unix))]
impl Streams {
    fn open() -> Self {
        Self
    }

    async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            pending::<()>().await;
        }
        Signal::Interrupt
    }
}

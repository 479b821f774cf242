//! Standard output, written in large pieces, and whether anybody reads it.

use std::io::{self, BufWriter, Stdout, Write};

use crate::{failure::Failure, patient::Patient};

const BUFFER: usize = 64 << 10;

/// Standard output behind a buffer. What is left in it is written by [`finish`](Self::finish), or
/// not at all.
#[derive(Debug)]
pub(crate) struct Output(BufWriter<Patient<Stdout>>);

impl Output {
    pub(crate) fn stdout() -> Self {
        Self(BufWriter::with_capacity(BUFFER, Patient(io::stdout())))
    }

    /// Lets `write` write.
    pub(crate) fn put(
        &mut self,
        write: impl FnOnce(&mut BufWriter<Patient<Stdout>>) -> io::Result<()>,
    ) -> Result<(), Failure> {
        write(&mut self.0).map_err(Failure::output)
    }

    /// Shows what was written so far.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.0.flush().map_err(Failure::output)
    }

    /// Shows all of it, whatever else went wrong.
    pub(crate) fn finish(mut self, done: Result<(), Failure>) -> Result<(), Failure> {
        if done == Err(Failure::OutputClosed) {
            return done;
        }
        let shown = self.flush();
        done.and(shown)
    }
}

/// Done when nobody reads standard output any more, which a write would tell only once there is
/// something to write. Where it is no pipe, this is never done.
#[cfg(unix)]
pub(crate) async fn reader_gone() {
    use std::os::fd::AsFd;
    use tokio::{io::Interest, net::unix::pipe::Sender};
    // Nothing is written by it: the duplicate is only looked at.
    let watched = io::stdout().as_fd().try_clone_to_owned();
    if let Ok(pipe) = watched.and_then(Sender::from_owned_fd_unchecked) {
        while let Ok(ready) = pipe.ready(Interest::ERROR).await {
            if ready.is_error() || ready.is_write_closed() {
                return;
            }
        }
    }
    std::future::pending().await
}

/// Elsewhere only a write tells.
#[cfg(not(unix))]
pub(crate) async fn reader_gone() {
    std::future::pending().await
}

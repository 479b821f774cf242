//! Brings connections to a broker, from a socket or a pipe, for as long as it runs.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, duplex},
    net::TcpListener,
    sync::watch,
    time::sleep,
};

use crate::{connection::Connection, state::Shared};

/// What one direction of a pipe holds.
const PIPE: usize = 64 << 10;
/// The pause after a failed accept, such as one for which there was no file descriptor.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until the broker stops.
pub(crate) fn listen(
    listener: TcpListener,
    shared: Arc<Shared>,
    broker: i32,
    running: watch::Receiver<()>,
) {
    let ends = running.clone();
    until_stopped(ends, async move {
        loop {
            match listener.accept().await {
                Ok((io, _)) => {
                    // Without it, answers wait for acknowledgements of those before them.
                    if let Err(error) = io.set_nodelay(true) {
                        tracing::debug!(broker, %error, "no TCP_NODELAY");
                    }
                    serve(io, shared.clone(), broker, running.clone());
                }
                Err(error) => {
                    tracing::warn!(broker, %error, "accepting a connection failed");
                    sleep(PAUSE).await;
                }
            }
        }
    });
}

/// A pipe to a broker, if it runs.
pub(crate) fn pipe(shared: &Arc<Shared>, host: &str, port: u16) -> io::Result<DuplexStream> {
    let state = shared.state();
    let at = |b: &&crate::brokers::Broker| *b.host == *host && b.port == port;
    let broker = state.brokers.values().find(at);
    let (id, running) = broker
        .and_then(|b| Some((b.id, b.running.as_ref()?.subscribe())))
        .ok_or(io::ErrorKind::ConnectionRefused)?;
    let (ours, theirs) = duplex(PIPE);
    serve(ours, shared.clone(), id, running);
    Ok(theirs)
}

fn serve<S>(io: S, shared: Arc<Shared>, broker: i32, running: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    until_stopped(running, Connection::new(io, shared, broker).run());
}

/// Runs a task that ends, wherever it is, when the broker stops.
fn until_stopped(
    mut running: watch::Receiver<()>,
    task: impl Future<Output = ()> + Send + 'static,
) {
    tokio::spawn(async move {
        tokio::select! {
            biased;
            _ = running.changed() => {}
            () = task => {}
        }
    });
}

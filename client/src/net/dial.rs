//! TCP connections: every address of a name, one after another with a head start.

use std::{io, net::SocketAddr, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::connect::{ByteStream, Connect, Connecting};

/// So long one address is tried alone (RFC 8305). Then the next one is tried beside it: a silent
/// address must not use up the time of the others (KIP-302).
const HEAD_START: Duration = Duration::from_millis(250);

/// The first keepalive probe leaves after so long without traffic, before usual load balancers and
/// firewalls forget a connection.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
/// The time between probes that are not answered.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);

/// TCP with `TCP_NODELAY` and keepalive (60 s idle, then a probe every 10 s).
///
/// All addresses of a name are tried in the resolver's order. The next one is tried when the one
/// before failed, or did not answer within 250 ms; the first connection wins (KIP-302, RFC 8305).
#[derive(Debug, Clone, Copy, Default)]
pub struct Tcp;

impl Connect for Tcp {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        Box::pin(async move {
            let addresses = lookup_host((host, port)).await?.collect();
            let stream = connect_to_any(addresses).await?;
            stream.set_nodelay(true)?;
            let keepalive = TcpKeepalive::new()
                .with_time(KEEPALIVE_AFTER)
                .with_interval(KEEPALIVE_EVERY);
            SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }
}

/// The first connection that one of the addresses takes. Dropping the future gives all attempts up.
async fn connect_to_any(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut failures = Vec::new();
    let mut next = Instant::now();
    loop {
        tokio::select! {
            biased;
            Some(done) = attempts.join_next() => {
                let (address, connected): (SocketAddr, io::Result<TcpStream>) = done?;
                match connected {
                    Ok(stream) => return Ok(stream),
                    Err(error) => failures.push((address, error)),
                }
                next = Instant::now();
            }
            () = sleep_until(next), if waiting.len() > 0 => {
                if let Some(address) = waiting.next() {
                    attempts.spawn(async move { (address, TcpStream::connect(address).await) });
                }
                next = Instant::now() + HEAD_START;
            }
            else => return Err(summary(failures)),
        }
    }
}

/// One error for all addresses: the only one as it is, several with their addresses.
fn summary(mut failures: Vec<(SocketAddr, io::Error)>) -> io::Error {
    match failures.pop() {
        None => io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
        Some((_, only)) if failures.is_empty() => only,
        Some(last) => {
            let kind = last.1.kind();
            failures.push(last);
            let each: Vec<_> = failures.iter().map(|(a, e)| format!("{a}: {e}")).collect();
            io::Error::new(kind, each.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const LOCALHOST: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

    /// An address that answers no handshake: a listener whose queue is full. Linux drops what comes
    /// then without a word.
    #[cfg(target_os = "linux")]
    async fn silent() -> (
        SocketAddr,
        socket2::Socket,
        Vec<JoinSet<io::Result<TcpStream>>>,
    ) {
        use socket2::{Domain, Socket, Type};
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are sockets");
        let any = SocketAddr::from(LOCALHOST);
        listener.bind(&any.into()).expect("there is a port");
        listener.listen(0).expect("it listens");
        let address = listener.local_addr().expect("it is bound").as_socket();
        let address = address.expect("it is an IP socket");
        let mut fills = Vec::new();
        // One that does not connect within a moment shows that the queue is full.
        loop {
            let mut fill = JoinSet::new();
            fill.spawn(TcpStream::connect(address));
            let connected = tokio::time::timeout(HEAD_START, fill.join_next()).await;
            let full = connected.is_err();
            if let Ok(Some(Ok(connected))) = connected {
                let kept = async move { connected };
                fill.spawn(kept);
            }
            fills.push(fill);
            if full {
                return (address, listener, fills);
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_silent_address_does_not_hold_up_the_next_one() {
        let (silent, _listener, _fills) = silent().await;
        let live = TcpListener::bind(SocketAddr::from(LOCALHOST)).expect("there is a port");
        let address = live.local_addr().expect("it is bound");
        let stream = connect_to_any(vec![silent, address]).await;
        let peer = stream.expect("one answers").peer_addr();
        assert_eq!(peer.expect("it is connected"), address);
    }

    #[tokio::test]
    async fn when_no_address_answers_each_is_named_with_its_error() {
        let unused = || {
            let listener = TcpListener::bind(SocketAddr::from(LOCALHOST)).expect("there is a port");
            listener.local_addr().expect("it is bound")
        };
        let (a, b) = (unused(), unused());
        let error = connect_to_any(vec![a, b]).await.expect_err("none listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let text = error.to_string();
        assert!(
            text.contains(&a.to_string()) && text.contains(&b.to_string()),
            "{text}"
        );
        let only = connect_to_any(vec![a])
            .await
            .expect_err("it does not listen");
        assert!(only.raw_os_error().is_some(), "{only:?}");
    }
}

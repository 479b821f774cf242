//! How a byte stream to a broker comes about. TCP is one way; an in-memory pipe, TLS, a proxy or a
//! simulated network are others; the client does not see the difference.

use std::{future::Future, io, pin::Pin};

use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream to a broker.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// The future of a byte stream.
pub type Connecting<'a> =
    Pin<Box<dyn Future<Output = io::Result<Box<dyn ByteStream>>> + Send + 'a>>;

/// Makes byte streams to brokers. Called again for every connection, so names are resolved again.
///
/// Dropping the future must give the attempt up.
pub trait Connect: Send + Sync + 'static {
    /// Connects to a host and port, as bootstrap servers or brokers name them.
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a>;
}

/// A function that connects is enough:
///
/// ```no_run
/// # async fn example() -> ottla::Result<()> {
/// # use tokio::net::TcpStream;
/// let through_a_tunnel = |_host: &str, port: u16| TcpStream::connect(("127.0.0.1", port + 10_000));
/// let client = ottla::Client::builder("kafka.internal:9092")
///     .connect_with(through_a_tunnel)
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
impl<F, C, S> Connect for F
where
    F: Fn(&str, u16) -> C + Send + Sync + 'static,
    C: Future<Output = io::Result<S>> + Send + 'static,
    S: ByteStream + 'static,
{
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        let connecting = self(host, port);
        Box::pin(async move { Ok(Box::new(connecting.await?) as Box<dyn ByteStream>) })
    }
}

//! Byte streams to a broker that is far away: what goes through them takes its time, however much of it
//! is on its way.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split},
    sync::mpsc,
    time::{Instant, sleep_until},
};

/// The most that is taken at once.
const PIECE: usize = 64 << 10;
/// Pieces that may be on their way in one direction.
const ON_THE_WAY: usize = 1024;

/// The same stream from further away: each byte arrives `one_way` later, in both directions. Ends with
/// the stream, or when what it returns is dropped.
pub fn distant<S>(near: S, one_way: Duration) -> DuplexStream
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (far, middle) = duplex(PIECE);
    let (from_far, to_far) = split(middle);
    let (from_near, to_near) = split(near);
    tokio::spawn(async move {
        // Either end is heard of by the other as the end of the stream.
        let _ends: (io::Result<()>, io::Result<()>) = tokio::join!(
            carry(from_far, to_near, one_way),
            carry(from_near, to_far, one_way)
        );
    });
    far
}

/// Carries bytes from one place to another.
async fn carry(
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    time: Duration,
) -> io::Result<()> {
    let (start, arrival) = mpsc::channel(ON_THE_WAY);
    let (left, arrived) = tokio::join!(depart(from, start, time), arrive(arrival, to));
    left.and(arrived)
}

async fn depart(
    mut from: impl AsyncRead + Unpin,
    start: mpsc::Sender<(Instant, Bytes)>,
    time: Duration,
) -> io::Result<()> {
    loop {
        let mut piece = BytesMut::with_capacity(PIECE);
        let read = from.read_buf(&mut piece).await?;
        let piece = (Instant::now() + time, piece.freeze());
        if read == 0 || start.send(piece).await.is_err() {
            return Ok(());
        }
    }
}

async fn arrive(
    mut arrival: mpsc::Receiver<(Instant, Bytes)>,
    mut to: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    while let Some((due, piece)) = arrival.recv().await {
        sleep_until(due).await;
        to.write_all(&piece).await?;
        to.flush().await?;
    }
    to.shutdown().await
}

//! Bytes between a socket and the machine of its connection.

use std::{
    future::{Future, poll_fn},
    io::IoSlice,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use ottla_core::connection::{Connection, Fault};
use tokio::io::AsyncReadExt;

use super::connect::ByteStream;
use crate::error::ErrorKind;

/// Segments offered to one `writev`.
const SLICES: usize = 64;

/// Moves bytes in both directions as far as the socket goes; ready when any moved.
pub(super) fn transfer<T>(
    cx: &mut Context<'_>,
    io: &mut dyn ByteStream,
    machine: &mut Connection<T>,
) -> Poll<Result<(), ErrorKind>> {
    let mut moved = false;
    while machine.wants_to_write() {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let n = machine.poll_transmit(&mut slices);
        let slices = slices.get(..n).unwrap_or_default();
        match Pin::new(&mut *io).poll_write_vectored(cx, slices) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(ErrorKind::Disconnected(Fault::Closed))),
            Poll::Ready(Ok(n)) => machine.handle_written(n),
            Poll::Ready(Err(e)) => return Poll::Ready(Err(ErrorKind::Io(e.into()))),
            Poll::Pending => break,
        }
        moved = true;
    }
    match pin!(io.read_buf(machine.read_buffer())).poll(cx) {
        Poll::Ready(Ok(0)) => Poll::Ready(Err(ErrorKind::Disconnected(machine.handle_closed()))),
        Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
        Poll::Ready(Err(e)) => Poll::Ready(Err(ErrorKind::Io(e.into()))),
        Poll::Pending if moved => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    }
}

/// The next answer, while requests are made one by one.
pub(super) async fn next_answer<T>(
    io: &mut dyn ByteStream,
    machine: &mut Connection<T>,
) -> Result<Bytes, ErrorKind> {
    loop {
        poll_fn(|cx| transfer(cx, io, machine)).await?;
        if let Some((_, answer)) = machine.poll_response().map_err(ErrorKind::Disconnected)? {
            return Ok(answer);
        }
    }
}

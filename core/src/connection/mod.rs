//! One broker connection: frames, correlation, order and deadlines. No sockets, no clock.
//!
//! Kafka answers requests of a connection in order, so the oldest unanswered request owns the next
//! response; anything else ends the connection (rule 5). What was not answered then has an unknown
//! outcome, unless not a byte of it was written (rule 6).

mod fault;
mod inbox;
mod pool;
pub mod setup;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    io::IoSlice,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use ottla_protocol::frame::{self, Frame};

pub use fault::Fault;
use inbox::Inbox;
pub use pool::FramePool;

/// The largest frame that is taken from a broker: more than any sane `fetch.max.bytes`.
pub const MAX_FRAME: usize = 100 << 20;

/// Runs of requests without an answer whose numbers are kept.
const MAX_UNASKED: usize = 1024;

/// One broker connection; `T` is what the caller wants back with each response.
#[derive(Debug)]
pub struct Connection<T> {
    outbox: VecDeque<Bytes>,
    /// All bytes ever queued, and ever written: positions in the stream.
    queued: u64,
    written: u64,
    inbox: Inbox,
    in_flight: VecDeque<InFlight<T>>,
    /// Requests without an answer whose bytes are not all written yet.
    unanswering: VecDeque<InFlight<T>>,
    /// The last requests that want no answer, which some servers answer nevertheless (rule 11).
    unasked: VecDeque<RangeInclusive<i32>>,
    next_id: i32,
}

#[derive(Debug)]
struct InFlight<T> {
    id: i32,
    deadline: Instant,
    timeout: Duration,
    /// Where it starts in the stream of bytes written, and where it ends.
    starts: u64,
    ends: u64,
    api: &'static str,
    token: T,
}

/// Whether a broker may have seen a request that got no answer (rule 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Not a byte of it left: it is safe to send again elsewhere.
    Nothing,
    /// Some of it left, so the broker may have acted on it.
    Something,
}

/// A request to be queued.
#[derive(Debug)]
pub struct Outgoing<T> {
    /// Its frame; the correlation id is stamped here.
    pub frame: Frame,
    /// Kafka's name of the API, for the error when it is overdue.
    pub api: &'static str,
    /// How long the answer may take, or the writing where there is none.
    pub timeout: Duration,
    /// False for a produce request with `acks=0`, which Kafka does not answer (rule 11).
    pub answered: bool,
    /// Comes back with the response.
    pub token: T,
}

impl<T> Default for Connection<T> {
    fn default() -> Self {
        Self::new(MAX_FRAME, FramePool::default())
    }
}

impl<T> Connection<T> {
    /// A fresh connection that takes frames of up to `max_frame` bytes, large ones into the memory of others
    /// of the pool.
    #[must_use]
    pub fn new(max_frame: usize, pool: FramePool) -> Self {
        Self {
            outbox: VecDeque::new(),
            queued: 0,
            written: 0,
            inbox: Inbox::new(max_frame, pool),
            in_flight: VecDeque::new(),
            unanswering: VecDeque::new(),
            unasked: VecDeque::new(),
            next_id: 0,
        }
    }

    /// Queues a request behind the others.
    pub fn handle_request(&mut self, now: Instant, request: Outgoing<T>) {
        let Outgoing {
            mut frame,
            api,
            timeout,
            answered,
            token,
        } = request;
        let id = self.next_id;
        self.next_id = id.wrapping_add(1) & i32::MAX;
        frame.set_correlation_id(id);
        let starts = self.queued;
        self.queued += frame.len() as u64;
        self.outbox.extend(frame.into_segments());
        let sent = InFlight {
            id,
            deadline: now + timeout,
            timeout,
            starts,
            ends: self.queued,
            api,
            token,
        };
        if answered {
            self.in_flight.push_back(sent);
        } else {
            self.unanswering.push_back(sent);
            self.note_unasked(id);
        }
    }

    fn note_unasked(&mut self, id: i32) {
        match self.unasked.back_mut() {
            Some(last) if last.end().checked_add(1) == Some(id) => *last = *last.start()..=id,
            _ => self.unasked.push_back(id..=id),
        }
        if self.unasked.len() > MAX_UNASKED {
            self.unasked.pop_front();
        }
    }

    /// How many requests wait for an answer.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether there is something to write.
    #[must_use]
    pub fn wants_to_write(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Fills `slices` with what is to be written next, for one `writev`; returns how many it filled.
    pub fn poll_transmit<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let pairs = slices.iter_mut().zip(&self.outbox);
        pairs
            .map(|(slice, bytes)| *slice = IoSlice::new(bytes))
            .count()
    }

    /// The socket took the next `n` bytes.
    pub fn handle_written(&mut self, mut n: usize) {
        self.written += n as u64;
        while let Some(front) = self.outbox.front_mut() {
            if n < front.len() {
                front.advance(n);
                return;
            }
            n -= front.len();
            self.outbox.pop_front();
        }
    }

    /// The next request without an answer that was written in full.
    pub fn poll_sent(&mut self) -> Option<T> {
        if self.unanswering.front()?.ends > self.written {
            return None;
        }
        self.unanswering.pop_front().map(|r| r.token)
    }

    /// Where the socket is to read into. It has room, and never more than what has arrived is worth;
    /// after reading, call [`poll_response`](Self::poll_response) until it returns `None`.
    pub fn read_buffer(&mut self) -> &mut BytesMut {
        self.inbox.buffer()
    }

    /// The next response and whose it is: the frame without its size, correlation id still in
    /// front.
    ///
    /// # Errors
    /// When what came in cannot be an answer to what went out; the connection is then of no use.
    pub fn poll_response(&mut self) -> Result<Option<(T, Bytes)>, Fault> {
        loop {
            let Some(frame) = self.inbox.next_frame()? else {
                return Ok(None);
            };
            let got = frame::correlation_id(&frame).ok_or(Fault::ShortFrame(frame.len()))?;
            let expected = self.in_flight.front().map(|oldest| oldest.id);
            if expected == Some(got) {
                return Ok(self.in_flight.pop_front().map(|r| (r.token, frame)));
            }
            self.pass_over(got, expected)?;
        }
    }

    /// Takes an answer to a request that wanted none.
    fn pass_over(&mut self, got: i32, expected: Option<i32>) -> Result<(), Fault> {
        match self.unasked.iter().position(|run| run.contains(&got)) {
            Some(at) => {
                self.unasked.drain(..at);
                if let Some(run) = self.unasked.front_mut() {
                    *run = got.saturating_add(1)..=*run.end();
                }
                Ok(())
            }
            None => Err(
                expected.map_or(Fault::Unsolicited(got), |expected| Fault::OutOfOrder {
                    expected,
                    got,
                }),
            ),
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to say.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting().map(|r| r.deadline).min()
    }

    fn waiting(&self) -> impl Iterator<Item = &InFlight<T>> {
        self.in_flight.iter().chain(&self.unanswering)
    }

    /// Finds out whether a request is overdue.
    ///
    /// # Errors
    /// [`Fault::TimedOut`]: what comes after it can only come later, so the connection is given up.
    pub fn handle_timeout(&self, now: Instant) -> Result<(), Fault> {
        match self.waiting().find(|r| r.deadline <= now) {
            None => Ok(()),
            Some(r) => Err(Fault::TimedOut {
                api: r.api,
                after: r.timeout,
            }),
        }
    }

    /// The peer closed its side.
    #[must_use]
    pub fn handle_closed(&self) -> Fault {
        if !self.inbox.has_received() {
            Fault::ClosedAtOnce
        } else if self.inbox.is_mid_frame() {
            Fault::ClosedMidFrame
        } else {
            Fault::Closed
        }
    }

    /// What is still unanswered, oldest first, then what wants no answer; and whether the broker may
    /// have seen it.
    pub fn into_unanswered(self) -> impl Iterator<Item = (T, Written)> {
        let written = self.written;
        let seen = move |starts| {
            if starts < written {
                Written::Something
            } else {
                Written::Nothing
            }
        };
        let waiting = self.in_flight.into_iter().chain(self.unanswering);
        waiting.map(move |r| (r.token, seen(r.starts)))
    }
}

//! Why a connection is of no use any more.

use std::{fmt, time::Duration};

/// Why a connection is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A response that belongs to another request than the oldest (rule 5).
    OutOfOrder {
        /// The correlation id of the oldest request.
        expected: i32,
        /// The one that came.
        got: i32,
    },
    /// A response to no request.
    Unsolicited(i32),
    /// A frame that claims more bytes than any response has, with the first bytes seen.
    TooLarge {
        /// The length it claims.
        claimed: u32,
        /// The most that is taken.
        limit: usize,
    },
    /// A negative length.
    NegativeLength(i32),
    /// A frame too short for a response.
    ShortFrame(usize),
    /// The peer speaks HTTP.
    Http,
    /// The peer speaks TLS.
    Tls,
    /// A request was not answered in time.
    TimedOut {
        /// The API that was asked.
        api: &'static str,
        /// How long it was given.
        after: Duration,
    },
    /// The peer closed the connection between two frames.
    Closed,
    /// The peer closed the connection in the middle of a frame.
    ClosedMidFrame,
    /// The peer closed the connection before it said anything (rule 8).
    ClosedAtOnce,
}

impl Fault {
    /// Looks at the first four bytes of a frame as what else they may be.
    pub(super) fn of_length(bytes: [u8; 4], limit: usize) -> Option<Self> {
        let claimed = u32::from_be_bytes(bytes);
        match bytes {
            [b'H', b'T', b'T', b'P'] => Some(Self::Http),
            // A TLS record: alert or handshake, version 3.x.
            [0x15 | 0x16, 0x03, 0..=4, _] if claimed as usize > limit => Some(Self::Tls),
            _ if (claimed as i32) < 0 => Some(Self::NegativeLength(claimed as i32)),
            _ if claimed as usize > limit => Some(Self::TooLarge { claimed, limit }),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfOrder { expected, got } => {
                write!(
                    f,
                    "it answered request {got} before the older request {expected}"
                )
            }
            Self::Unsolicited(got) => write!(f, "it answered request {got}, which was never sent"),
            Self::TooLarge { claimed, limit } => {
                write!(
                    f,
                    "it claims a response of {claimed} bytes, and no more than {limit} are taken \
                     (receive.message.max.bytes)"
                )
            }
            Self::NegativeLength(n) => write!(f, "it claims a response of {n} bytes"),
            Self::ShortFrame(n) => {
                write!(f, "it sent a response of {n} bytes, too short to be one")
            }
            Self::Http => write!(f, "it answers in HTTP; is this port a Kafka listener?"),
            Self::Tls => write!(
                f,
                "it answers in TLS; does this listener want security.protocol=SSL?"
            ),
            Self::TimedOut { api, after } => {
                write!(f, "no answer to {api} within {} ms", after.as_millis())
            }
            Self::Closed => write!(f, "it closed the connection"),
            Self::ClosedMidFrame => {
                write!(f, "it closed the connection in the middle of a response")
            }
            Self::ClosedAtOnce => write!(
                f,
                "it closed the connection without a word; does this listener want TLS or SASL, \
                 or is it no Kafka listener?"
            ),
        }
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_up_to_the_limit_are_lengths() {
        let of = |length: u32| Fault::of_length(length.to_be_bytes(), 100);
        assert_eq!((of(0), of(100)), (None, None));
        assert_eq!(
            of(101),
            Some(Fault::TooLarge {
                claimed: 101,
                limit: 100
            })
        );
        assert_eq!(of(1 << 31), Some(Fault::NegativeLength(i32::MIN)));
        assert_eq!(of(u32::MAX), Some(Fault::NegativeLength(-1)));
    }
}

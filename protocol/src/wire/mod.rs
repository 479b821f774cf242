//! How Kafka spells values on the wire.
//!
//! A [`Wire`] value has one spelling per message version. [`Writer`] appends values in that
//! spelling and shares large payloads instead of copying them; [`Reader`] takes them off a frame
//! and hands out slices of it. Neither knows any message: those are the tables in
//! [`messages`](crate::messages), written with the `api!` macro.
//!
//! Whatever a peer claims about lengths and counts is held against the bytes that are there before
//! anything is reserved (rule 12).

#[cfg(any(test, feature = "any"))]
pub mod any;
mod error;
mod reader;
mod schema;
mod types;
mod writer;

pub use error::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind};
pub use reader::Reader;
pub use schema::{Field, Spec, Type};
pub use writer::Writer;

use crate::ErrorCode;

/// The longest string in bytes that Kafka reads, in every version.
pub const MAX_STRING: usize = i16::MAX as usize;

/// A value that has one spelling per message version.
pub trait Wire: Sized {
    /// What this value is in Kafka's schema language.
    const TYPE: Type;

    /// Appends the value. What the version cannot carry is noted in the writer and comes out of
    /// [`Writer::finish`].
    fn encode(&self, w: &mut Writer);

    /// Takes one value off the frame.
    ///
    /// # Errors
    /// When the bytes are not a value of this type; the error says at which byte and field.
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Appends these values, one behind the other.
    fn encode_all(values: &[Self], w: &mut Writer) {
        values.iter().for_each(|value| value.encode(w));
    }

    /// Takes `n` values off the frame, of which at least `n` bytes are left.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    fn decode_many(r: &mut Reader<'_>, n: usize) -> Result<Vec<Self>, DecodeError> {
        let mut values = Vec::with_capacity(n.min(r.worth::<Self>()));
        for _ in 0..n {
            values.push(Self::decode(r)?);
        }
        Ok(values)
    }

    /// Whether this is an error code.
    const IS_ERROR: bool = false;

    /// The error code that this value and its parts share.
    #[inline]
    fn outcome(&self) -> Outcome {
        Outcome::Nothing
    }

    /// Whether this is the null of a nullable type.
    #[inline]
    fn is_null(&self) -> bool {
        false
    }
}

/// The error code that the parts of an answer share, if they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There is none.
    Nothing,
    /// All parts have this one.
    All(ErrorCode),
    /// Parts differ.
    Mixed,
}

impl Outcome {
    /// That of two parts together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, outcome) | (outcome, Self::Nothing) => outcome,
            (a, b) if a == b => a,
            _ => Self::Mixed,
        }
    }

    /// That of a struct with an error code of its own and parts. Where it failed, its parts say nothing.
    #[must_use]
    pub fn within(self, own: Self) -> Self {
        match own {
            Self::All(code) if !code.is_ok() => own,
            _ if self == Self::Nothing => own,
            _ => self,
        }
    }
}

/// A struct from an `api!` table; only these can be null as a whole.
pub trait Struct: Wire {
    /// The error code of an answer: its own, or the one that all its parts have; otherwise none. It
    /// tells whether the broker did nothing of what it was asked.
    fn common_error(&self) -> ErrorCode {
        match self.outcome() {
            Outcome::All(code) => code,
            Outcome::Nothing | Outcome::Mixed => ErrorCode::NONE,
        }
    }
}

/// A request, how its versions are numbered, and what answers it.
pub trait Request: Struct + Default + std::fmt::Debug + Send + 'static {
    /// The API key.
    const KEY: i16;
    /// Kafka's name of the API, such as `Fetch`.
    const NAME: &'static str;
    /// The versions this crate speaks.
    const VERSIONS: std::ops::RangeInclusive<i16>;
    /// The first version with compact lengths and tagged fields (KIP-482); `i16::MAX` for none.
    const FLEXIBLE: i16;
    /// What the broker answers.
    type Response: Struct + Default + std::fmt::Debug + Send + 'static;
}

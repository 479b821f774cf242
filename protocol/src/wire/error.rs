//! What can be wrong with bytes that came in, or with a value that is to go out.

use std::fmt;

/// Bytes that are not the value they should be: which field, at which byte, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// The field that was being read; empty outside a message.
    pub field: &'static str,
    /// The offset in the frame at which reading stopped.
    pub at: usize,
}

/// What is wrong with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeErrorKind {
    /// The frame ends before the value does.
    Truncated,
    /// A length or count says more than the rest of the frame can hold.
    TooLong {
        /// What the length or count says.
        claimed: i64,
        /// The bytes that are left.
        left: usize,
    },
    /// A string of so many bytes, more than [`MAX_STRING`](super::MAX_STRING).
    StringTooLong(usize),
    /// A length below -1.
    NegativeLength(i64),
    /// A string is not UTF-8.
    NotUtf8,
    /// A variable-length integer does not end where it must.
    BadVarint,
    /// Null where the schema has no null.
    UnexpectedNull,
    /// A tagged field stands twice, or after a greater tag.
    TagOrder(u32),
    /// A tagged field does not fill the size it claims.
    TagSize(u32),
    /// No message of this crate has this API key and version.
    NoSuchVersion {
        /// The API key.
        key: i16,
        /// The version.
        version: i16,
    },
}

impl DecodeError {
    /// Names the field, unless a field further in was named already.
    #[cold]
    #[must_use]
    pub fn in_field(mut self, field: &'static str) -> Self {
        if self.field.is_empty() {
            self.field = field;
        }
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.kind, self.at)?;
        if !self.field.is_empty() {
            write!(f, " in field {}", self.field)?;
        }
        Ok(())
    }
}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(f, "the frame ends too early"),
            Self::TooLong { claimed, left } => {
                write!(f, "a length of {claimed} is claimed with {left} bytes left")
            }
            Self::StringTooLong(n) => write!(f, "a string of {n} bytes is longer than Kafka's are"),
            Self::NegativeLength(n) => write!(f, "a negative length ({n}) is claimed"),
            Self::NotUtf8 => write!(f, "a string is not UTF-8"),
            Self::BadVarint => write!(f, "a variable-length integer is too long"),
            Self::UnexpectedNull => write!(f, "null where there must be a value"),
            Self::TagOrder(tag) => write!(f, "tagged field {tag} is out of order"),
            Self::TagSize(tag) => write!(f, "tagged field {tag} does not fill its size"),
            Self::NoSuchVersion { key, version } => {
                write!(f, "version {version} of API {key} is not known")
            }
        }
    }
}

impl std::error::Error for DecodeError {}

/// A value that the chosen version cannot carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodeError {
    /// What is wrong.
    pub kind: EncodeErrorKind,
    /// The field that was being written.
    pub field: &'static str,
    /// The version it was written for.
    pub version: i16,
}

/// Why a value cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeErrorKind {
    /// The version has no such field, and leaving it out would change what the message means.
    NoSuchField,
    /// The version has no null here.
    NoNull,
    /// Longer than the length in front of it can say.
    TooLong(usize),
    /// The message itself does not exist in this version.
    NoSuchVersion,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            field,
            version,
        } = self;
        match kind {
            EncodeErrorKind::NoSuchField => {
                write!(
                    f,
                    "version {version} cannot carry field {field}, and it must not be lost"
                )
            }
            EncodeErrorKind::NoNull => write!(f, "field {field} has no null in version {version}"),
            EncodeErrorKind::TooLong(n) => {
                write!(
                    f,
                    "field {field} of {n} bytes or items is too long for version {version}"
                )
            }
            EncodeErrorKind::NoSuchVersion => write!(f, "{field} has no version {version}"),
        }
    }
}

impl std::error::Error for EncodeError {}

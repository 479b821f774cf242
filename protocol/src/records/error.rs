//! What can be wrong with a record batch.

use std::fmt;

use super::Compression;

/// A record batch that cannot be read: which one, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordError {
    /// What is wrong.
    pub kind: RecordErrorKind,
    /// The base offset of the batch, as far as its header can be believed.
    pub base_offset: i64,
}

/// What is wrong with a record batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordErrorKind {
    /// The batch says a length that no batch has.
    BadLength(i32),
    /// A record format this crate does not read.
    BadMagic(i8),
    /// The checksum in the header is not that of the bytes.
    BadCrc {
        /// What the header says.
        stored: u32,
        /// What the bytes are.
        computed: u32,
    },
    /// A record count that the bytes of the batch cannot hold.
    BadCount(i32),
    /// A record does not have the shape of one; says which part is wrong.
    BadRecord(&'static str),
    /// The attributes name a compression that does not exist.
    UnknownCompression(u8),
    /// The compressed records are damaged.
    Decompress {
        /// The codec that refused them.
        compression: Compression,
        /// What it said.
        message: String,
    },
    /// The records decompress to more than the limit.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "record batch at offset {}: {}",
            self.base_offset, self.kind
        )
    }
}

impl fmt::Display for RecordErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadLength(n) => write!(f, "a length of {n} bytes is impossible"),
            Self::BadMagic(n) => write!(f, "format version {n} is not known"),
            Self::BadCrc { stored, computed } => {
                write!(
                    f,
                    "the checksum is {computed:08x} where {stored:08x} is stored"
                )
            }
            Self::BadCount(n) => write!(f, "{n} records do not fit its bytes"),
            Self::BadRecord(part) => write!(f, "a record has {part}"),
            Self::UnknownCompression(n) => write!(f, "compression {n} is not known"),
            Self::Decompress {
                compression,
                message,
            } => {
                write!(f, "{compression} cannot be decompressed: {message}")
            }
            Self::TooLarge { limit } => {
                write!(f, "it decompresses to more than the limit of {limit} bytes")
            }
        }
    }
}

impl std::error::Error for RecordError {}

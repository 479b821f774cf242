//! The four compressions of Kafka, both ways, without C.
//!
//! A [`Compressor`] and a [`Decompressor`] are kept and reused: their tables cost more to set up
//! than a small batch costs to pack. Every decompression has a limit, since the size of what is
//! compressed bounds nothing.

mod gzip;
mod lz4;
mod room;
mod snappy;
mod zstd;

use std::{fmt, str::FromStr};

use bytes::Bytes;

use self::{lz4::HeaderChecksum, room::Rooms};
use super::RecordErrorKind;

/// The most a batch may decompress to, whatever limit is set: what a Java client could hold.
pub const MAX_DECOMPRESSED: usize = i32::MAX as usize;

/// How the records of a batch are compressed (`compression.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, the widest known and slowest.
    Gzip,
    /// Snappy in the xerial framing, as the Java client writes it.
    Snappy,
    /// LZ4 frames of independent 64 KiB blocks, the only kind Java reads.
    Lz4,
    /// Zstandard (KIP-110): the best ratio; needs brokers of 2.1 and later.
    Zstd,
}

impl Compression {
    /// All of them, by id.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The number in a batch's attributes.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The compression of this number.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.get(usize::from(id)).copied()
    }

    /// Kafka's name of it, as in `compression.type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The levels that can be asked for, and the one that is used when none is; `None` where there
    /// are no levels (`compression.gzip.level`, `compression.zstd.level`, KIP-390).
    ///
    /// LZ4 is one of those: Kafka's levels 1 to 17 (`compression.lz4.level`) choose how hard C's
    /// high-compression mode tries, which the codec here does not have.
    #[must_use]
    pub const fn levels(self) -> Option<(std::ops::RangeInclusive<i32>, i32)> {
        match self {
            Self::Gzip => Some((1..=9, 6)),
            Self::Zstd => Some((-131_072..=22, 3)),
            Self::None | Self::Snappy | Self::Lz4 => None,
        }
    }

    /// Checks a level that was asked for, which [`Compressor::new`] does not. Kafka's -1 for gzip,
    /// the default, is one.
    ///
    /// # Errors
    /// When there is no such level; says which there are.
    pub fn check_level(self, level: i32) -> Result<(), UnknownLevel> {
        let known = match self.levels() {
            Some((levels, _)) => levels.contains(&level) || self.is_default(level),
            None => false,
        };
        let unknown = UnknownLevel {
            compression: self,
            level,
        };
        if known { Ok(()) } else { Err(unknown) }
    }

    fn is_default(self, level: i32) -> bool {
        (self, level) == (Self::Gzip, -1)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no compression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCompression(String);

impl fmt::Display for UnknownCompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no compression; there are none, gzip, snappy, lz4 and zstd",
            self.0
        )
    }
}

impl std::error::Error for UnknownCompression {}

impl FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(name: &str) -> Result<Self, UnknownCompression> {
        let found = Self::ALL.into_iter().find(|c| c.name() == name);
        found.ok_or_else(|| UnknownCompression(name.to_owned()))
    }
}

/// A level that a compression does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownLevel {
    /// The codec.
    pub compression: Compression,
    /// The level that was asked for.
    pub level: i32,
}

impl fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { compression, level } = self;
        write!(f, "{compression} has no level {level}; ")?;
        match compression.levels() {
            Some((all, _)) => write!(f, "there are {} to {}", all.start(), all.end()),
            None => f.write_str("it has no levels here"),
        }
    }
}

impl std::error::Error for UnknownLevel {}

/// A compressor that failed; says which and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompressError {
    /// The codec.
    pub compression: Compression,
    /// What it said.
    pub message: String,
}

impl fmt::Display for CompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} compression failed: {}",
            self.compression, self.message
        )
    }
}

impl std::error::Error for CompressError {}

/// Compresses one batch after another.
#[derive(Debug)]
pub struct Compressor {
    compression: Compression,
    packer: Packer,
}

enum Packer {
    None,
    Gzip(u32),
    Snappy(Box<snap::raw::Encoder>),
    Lz4(lz4::Packer),
    Zstd(Box<rust_zstd::Compressor>),
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Packer")
    }
}

impl Compressor {
    /// A compressor; a level out of [`Compression::levels`] is brought to the nearest in it, and
    /// where there are none it changes nothing. A caller that takes levels from a user checks them with
    /// [`Compression::check_level`].
    #[must_use]
    pub fn new(compression: Compression, level: Option<i32>) -> Self {
        let level = level.filter(|level| !compression.is_default(*level));
        let level = compression.levels().map_or(0, |(all, default)| {
            level.unwrap_or(default).clamp(*all.start(), *all.end())
        });
        let packer = match compression {
            Compression::None => Packer::None,
            Compression::Gzip => Packer::Gzip(level.unsigned_abs()),
            Compression::Snappy => Packer::Snappy(Box::new(snap::raw::Encoder::new())),
            Compression::Lz4 => Packer::Lz4(lz4::Packer::new()),
            Compression::Zstd => Packer::Zstd(Box::new(zstd::compressor(level))),
        };
        Self {
            compression,
            packer,
        }
    }

    /// What it compresses with.
    #[must_use]
    pub const fn compression(&self) -> Compression {
        self.compression
    }

    /// Appends `data`, compressed, to `out`.
    ///
    /// # Errors
    /// When the codec fails, which it does for no input.
    pub fn compress(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), CompressError> {
        let result = match &mut self.packer {
            Packer::None => {
                out.extend_from_slice(data);
                Ok(())
            }
            Packer::Gzip(level) => gzip::compress(data, *level, out),
            Packer::Snappy(encoder) => snappy::compress(encoder, data, out),
            Packer::Lz4(packer) => packer.compress(data, out),
            Packer::Zstd(compressor) => {
                zstd::compress(compressor, data, out);
                Ok(())
            }
        };
        result.map_err(|message| CompressError {
            compression: self.compression,
            message,
        })
    }
}

/// Decompresses one batch after another, of any codec. It keeps up to 4 MiB of the memory of batches that were
/// dropped for those that come.
pub struct Decompressor {
    limit: usize,
    rooms: Rooms,
    zstd: Option<Box<rust_zstd::Decompressor>>,
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl Default for Decompressor {
    fn default() -> Self {
        Self::new(MAX_DECOMPRESSED)
    }
}

impl Decompressor {
    /// A decompressor that refuses to make more than `limit` bytes of one batch.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.min(MAX_DECOMPRESSED),
            rooms: Rooms::default(),
            zstd: None,
        }
    }

    /// Decompresses what one batch holds. Memory grows with what comes out, not with what a header
    /// inside claims.
    ///
    /// # Errors
    /// When the data is damaged or the limit is passed.
    pub fn decompress(
        &mut self,
        compression: Compression,
        data: &Bytes,
    ) -> Result<Bytes, RecordErrorKind> {
        self.decompress_with(compression, data, HeaderChecksum::Checked)
    }

    fn decompress_with(
        &mut self,
        compression: Compression,
        data: &Bytes,
        lz4_header: HeaderChecksum,
    ) -> Result<Bytes, RecordErrorKind> {
        if compression == Compression::None {
            return Ok(data.clone());
        }
        let limit = self.limit;
        let mut room = self.rooms.take(data.len(), limit);
        let out = &mut room;
        let result = match compression {
            Compression::None => Ok(0),
            Compression::Gzip => gzip::decompress(data, out, limit),
            Compression::Snappy => snappy::decompress(data, out, limit),
            Compression::Lz4 => lz4::decompress(data, out, limit, lz4_header),
            Compression::Zstd => {
                zstd::decompress(self.zstd.get_or_insert_default(), data, out, limit)
            }
        };
        match result {
            Ok(used) => Ok(self.rooms.fill(room, used, data.len())),
            Err(Unpack::TooLarge) => Err(RecordErrorKind::TooLarge { limit }),
            Err(Unpack::Damaged(message)) => Err(RecordErrorKind::Decompress {
                compression,
                message,
            }),
        }
    }

    /// Decompresses what a legacy message of this format version holds.
    pub(super) fn decompress_message(
        &mut self,
        compression: Compression,
        magic: i8,
        data: &Bytes,
    ) -> Result<Bytes, RecordErrorKind> {
        let lz4_header = match magic {
            0 => HeaderChecksum::Ignored,
            _ => HeaderChecksum::Checked,
        };
        self.decompress_with(compression, data, lz4_header)
    }
}

/// Why something does not decompress.
enum Unpack {
    TooLarge,
    Damaged(String),
}

impl Unpack {
    fn damaged(error: impl fmt::Display) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// Makes room for `n` more bytes behind `at`, and for as many again as there are where the limit allows it.
fn make_room(out: &mut Vec<u8>, at: usize, n: usize, limit: usize) {
    let end = at + n;
    if end > out.len() {
        out.resize(end.max((2 * out.len()).min(limit)), 0);
    }
}

//! Record batches, format version 2 (KIP-98): read lazily, built append-only.
//!
//! Reading: [`Batches`] walks the batches of a fetched frame without touching their records; each is
//! a [`RawBatch`], whose [`open`](RawBatch::open) checks the CRC and decompresses once; the
//! [`Batch`] it becomes iterates [`Record`]s that borrow from one buffer. Nothing is allocated per
//! record, and [`Record::to_owned`] shares that buffer.
//!
//! Writing: [`BatchBuilder`] serialises each record straight into the batch's buffer;
//! [`seal`](BatchBuilder::seal) compresses, and [`SealedBatch::stamp`] writes what is known only
//! when the batch is sent: the producer's id, epoch and sequence, and the CRC over all of it.
//!
//! A tail cut short by a fetch limit is a state ([`Batches::is_truncated`]), not an error.

mod batch;
mod batches;
mod builder;
mod compression;
mod error;
mod header;
mod record;
mod varint;

pub use batch::{Batch, RawBatch, Records};
pub use batches::Batches;
pub use builder::{BatchBuilder, NewRecord, ProducerStamp, SealedBatch};
pub use compression::{
    CompressError, Compression, Compressor, Decompressor, MAX_DECOMPRESSED, UnknownCompression,
};
pub use error::{RecordError, RecordErrorKind};
pub use header::{BatchHeader, TimestampType};
pub use record::{Header, Headers, OwnedHeader, OwnedRecord, Record};

#[cfg(test)]
mod tests;

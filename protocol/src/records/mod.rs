//! Record batches, format version 2 (KIP-98): read lazily, built append-only. The message sets of
//! format versions 0 and 1, which old logs still hold, are read the same way.
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
//! A tail cut short by a fetch limit is a state ([`Batches::is_truncated`]), not an error. Damage is
//! always an error, also in records that do not decompress behind batches that do: all bytes of that
//! batch are there, so it was not cut short. What stands before it is still good (rule 63).
//!
//! Nothing here is larger than what holds it: a batch no larger than its frame, a record count no
//! larger than the bytes allow, decompressed records no larger than the [`Decompressor`]'s limit.
//! What is built is at most [`MAX_BATCH`].
//!
//! Transactions: [`AbortedTransactions`] says what a reader of committed records skips, and
//! [`Batch::control_record`] what the broker wrote between the records.

mod aborted;
mod batch;
mod batches;
mod builder;
mod compression;
mod control;
mod error;
mod header;
mod legacy;
mod record;
mod varint;

pub use aborted::AbortedTransactions;
pub use batch::{Batch, RawBatch, Records};
pub use batches::Batches;
pub use builder::{BatchBuilder, MAX_BATCH, NewRecord, ProducerStamp, SealedBatch};
pub use compression::{
    CompressError, Compression, Compressor, Decompressor, MAX_DECOMPRESSED, UnknownCompression,
    UnknownLevel,
};
pub use control::{ControlRecord, ControlRecordType, EndTxnMarker};
pub use error::{RecordError, RecordErrorKind};
pub use header::{BatchHeader, TimestampType};
pub use record::{Header, Headers, NullableBytes, OwnedHeader, OwnedRecord, Record};

#[cfg(test)]
mod tests;

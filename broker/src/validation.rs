//! Looks at what a producer sends as closely as Kafka does, before it goes into a log.

use bytes::Bytes;
use ottla_protocol::{
    ErrorCode,
    messages::RecordRefusal,
    records::{Batch, BatchHeader, Batches, Compression, Decompressor, RawBatch, TimestampType},
};

use crate::topic_config::TopicConfig;

/// The first version of Produce that may carry zstd (KIP-110).
const ZSTD_FROM: i16 = 7;

/// Bytes in front of the flags of an LZ4 frame.
const LZ4_MAGIC_LEN: usize = 4;

/// Why a batch is not taken.
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: &'static str,
    /// The records that are the reason (KIP-467).
    pub(crate) records: Vec<RecordRefusal>,
}

const fn refuse(code: ErrorCode, message: &'static str) -> Refusal {
    Refusal {
        code,
        message,
        records: Vec::new(),
    }
}

/// The one batch in `records`, when it is as it must be.
pub(crate) fn validate(
    records: Option<Bytes>,
    version: i16,
    config: &TopicConfig,
    now_ms: i64,
    decompressor: &mut Decompressor,
) -> Result<RawBatch, Refusal> {
    let raw = only_batch(records)?;
    let codec = raw.header().compression();
    let codec = codec.map_err(|_| refuse(ErrorCode::INVALID_RECORD, "an unknown compression"))?;
    if codec == Compression::Zstd && version < ZSTD_FROM {
        let message = "zstd needs Produce 7 or later";
        return Err(refuse(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, message));
    }
    if raw.bytes().len() > config.max_message_bytes {
        let message = "the batch is larger than max.message.bytes";
        return Err(refuse(ErrorCode::MESSAGE_TOO_LARGE, message));
    }
    let corrupt = |message| refuse(ErrorCode::CORRUPT_MESSAGE, message);
    raw.check_crc()
        .map_err(|_| corrupt("the checksum is wrong"))?;
    check_header(&raw, config, now_ms)?;
    if codec == Compression::Lz4 && has_linked_blocks(&raw) {
        let message = "Kafka reads no LZ4 frame with linked blocks";
        return Err(refuse(ErrorCode::UNKNOWN_SERVER_ERROR, message));
    }
    let batch = raw.clone().open_unchecked(decompressor);
    let batch = batch.map_err(|_| corrupt("the records cannot be decompressed or counted"))?;
    check_records(&batch, config)?;
    Ok(raw)
}

/// Whether an LZ4 frame says that its blocks refer to those before them. The other clients of this
/// protocol read such frames, and Kafka does not.
fn has_linked_blocks(raw: &RawBatch) -> bool {
    const INDEPENDENT: u8 = 1 << 5;
    let flags = raw.bytes().get(BatchHeader::LEN + LZ4_MAGIC_LEN);
    flags.is_some_and(|flags| flags & INDEPENDENT == 0)
}

/// Every version that is still served takes exactly one batch per partition.
fn only_batch(records: Option<Bytes>) -> Result<RawBatch, Refusal> {
    let invalid = |message| refuse(ErrorCode::INVALID_RECORD, message);
    let mut batches = Batches::new(records.unwrap_or_default());
    let first = batches
        .next()
        .ok_or_else(|| invalid("there is no whole batch"))?;
    let first = first.map_err(|_| invalid("this is no batch of format version 2"))?;
    if batches.next().is_some() || batches.is_truncated() {
        return Err(invalid("there is more than exactly one batch"));
    }
    Ok(first)
}

fn check_header(raw: &RawBatch, config: &TopicConfig, now_ms: i64) -> Result<(), Refusal> {
    let header = raw.header();
    let latest = now_ms.saturating_add(config.timestamp_after_max_ms);
    let wrong = match header {
        h if h.count <= 0 => "the batch has no records",
        h if h.last_offset_delta != h.count - 1 => "the last offset does not fit the count",
        h if h.is_control() => "a client may not write control batches",
        h if h.producer_id >= 0 && (h.base_sequence < 0 || h.producer_epoch < 0) => {
            "the producer has an id, but no epoch or sequence"
        }
        h if h.timestamp_type() == TimestampType::LogAppendTime => {
            "a client may not say the time of appending"
        }
        h if h.is_transactional() => {
            let message = "transactions are not served";
            return Err(refuse(ErrorCode::INVALID_TXN_STATE, message));
        }
        h if !config.append_time && h.max_timestamp > latest => {
            let message = "a timestamp is too far in the future";
            return Err(refuse(ErrorCode::INVALID_TIMESTAMP, message));
        }
        _ => return Ok(()),
    };
    Err(refuse(ErrorCode::INVALID_RECORD, wrong))
}

fn check_records(batch: &Batch, config: &TopicConfig) -> Result<(), Refusal> {
    let base_offset = batch.header().base_offset;
    let mut refused = Vec::new();
    for (index, record) in (0..).zip(batch) {
        let record = record.map_err(|_| refuse(ErrorCode::INVALID_RECORD, "a malformed record"))?;
        let wrong = if record.offset != base_offset.wrapping_add(index.into()) {
            Some("its offset is not the next one")
        } else if config.compacted && record.key.is_none() {
            Some("a compacted topic takes no record without a key")
        } else {
            None
        };
        refused.extend(wrong.map(|message| RecordRefusal {
            batch_index: index,
            batch_index_error_message: Some(message.into()),
        }));
    }
    if refused.is_empty() {
        return Ok(());
    }
    Err(Refusal {
        records: refused,
        ..refuse(ErrorCode::INVALID_RECORD, "some records are invalid")
    })
}

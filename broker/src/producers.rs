//! What a replica remembers of the producers that write to its partition, to write each batch once
//! and in order (KIP-98).

use std::collections::{HashMap, VecDeque};

use ottla_protocol::{
    ErrorCode,
    records::{BatchHeader, TimestampType},
};

/// How many batches of a producer are remembered: as many as it may have in flight.
const REMEMBERED: usize = 5;

/// The idempotent producers that one replica knows of.
#[derive(Debug, Default, Clone)]
pub(crate) struct Producers(HashMap<i64, Producer>);

#[derive(Debug, Clone)]
struct Producer {
    epoch: i16,
    /// The last batches, the oldest first.
    batches: VecDeque<Written>,
    last_written_ms: i64,
}

/// A batch that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    first_sequence: i32,
    last_sequence: i32,
    pub(crate) base_offset: i64,
    /// The time of appending, where that is what the topic keeps; -1 where not.
    pub(crate) append_time_ms: i64,
}

/// What is to be done with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the next one.
    Append,
    /// It was written before.
    Duplicate(Written),
    /// It is out of its order, or its producer was replaced.
    Refuse(ErrorCode),
}

impl Producers {
    /// Judges a batch of an idempotent producer before it is appended.
    pub(crate) fn judge(&self, header: &BatchHeader) -> Verdict {
        let Some(producer) = self.0.get(&header.producer_id) else {
            // Whoever is not known, perhaps not any more, may begin anywhere.
            return Verdict::Append;
        };
        if header.producer_epoch < producer.epoch {
            return Verdict::Refuse(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        let first = header.base_sequence;
        if header.producer_epoch > producer.epoch {
            return in_order(first == 0);
        }
        let same = |w: &&Written| w.first_sequence == first && w.last_sequence == last(header);
        if let Some(written) = producer.batches.iter().find(same) {
            return Verdict::Duplicate(*written);
        }
        in_order(
            producer
                .batches
                .back()
                .is_none_or(|w| follows(w.last_sequence, first)),
        )
    }

    /// Remembers a batch that was appended, if a producer counts it.
    pub(crate) fn remember(&mut self, header: &BatchHeader, now_ms: i64) {
        if header.producer_id < 0 || header.base_sequence < 0 {
            return;
        }
        let append_time_ms = match header.timestamp_type() {
            TimestampType::LogAppendTime => header.max_timestamp,
            TimestampType::CreateTime => -1,
        };
        let written = Written {
            first_sequence: header.base_sequence,
            last_sequence: last(header),
            base_offset: header.base_offset,
            append_time_ms,
        };
        let new = || Producer {
            epoch: header.producer_epoch,
            batches: VecDeque::with_capacity(REMEMBERED),
            last_written_ms: now_ms,
        };
        let producer = self.0.entry(header.producer_id).or_insert_with(new);
        if producer.epoch != header.producer_epoch {
            *producer = new();
        }
        if producer.batches.len() == REMEMBERED {
            producer.batches.pop_front();
        }
        producer.batches.push_back(written);
        producer.last_written_ms = now_ms;
    }

    /// Forgets who has not written for so long (`producer.id.expiration.ms`).
    pub(crate) fn expire(&mut self, after_ms: i64, now_ms: i64) {
        self.0.retain(|_, p| now_ms - p.last_written_ms < after_ms);
    }
}

fn in_order(yes: bool) -> Verdict {
    if yes {
        Verdict::Append
    } else {
        Verdict::Refuse(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)
    }
}

/// The sequence number of the last record. Sequences start over after the greatest (rule 20).
fn last(header: &BatchHeader) -> i32 {
    let last = i64::from(header.base_sequence) + i64::from(header.last_offset_delta);
    (last % (i64::from(i32::MAX) + 1)) as i32
}

fn follows(last: i32, next: i32) -> bool {
    next == last.checked_add(1).unwrap_or(0)
}

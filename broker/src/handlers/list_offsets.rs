//! ListOffsets: either end of a partition, or the first offset at a time.

use std::{collections::BTreeMap, sync::Arc};

use ottla_protocol::{
    ErrorCode,
    messages::{
        ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
        ListedOffsetsPartition, ListedOffsetsTopic,
    },
    records::{Decompressor, RawBatch},
};
use uuid::Uuid;

use crate::{
    dispatch::{Answer, Call, Handle},
    topics::Partition,
};

/// The first version that says the leader epoch of an offset (KIP-320).
const EPOCH_FROM: i16 = 4;
/// What a time below zero asks for, and since when.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: (i64, i16) = (-3, 7);
const EARLIEST_LOCAL: (i64, i16) = (-4, 8);
/// What was moved to other storage, which is nothing, or is about to be.
const LATEST_TIERED: (i64, i16) = (-5, 9);
const EARLIEST_PENDING_UPLOAD: (i64, i16) = (-6, 11);

impl Handle for ListOffsetsRequest {
    async fn handle(self, mut call: Call<'_>) -> Answer<ListOffsetsResponse> {
        let mut asked = BTreeMap::new();
        for topic in &self.topics {
            for partition in &topic.partitions {
                *asked
                    .entry((&topic.name, partition.partition_index))
                    .or_insert(0) += 1;
            }
        }
        let committed = self.isolation_level == 1;
        let version = call.version;
        let mut answer = |name: &Arc<str>, p: &ListOffsetsPartition| {
            let listed = match asked.get(&(name, p.partition_index)) {
                Some(1) => list(name, p, committed, &mut call),
                _ => Listed::error(ErrorCode::INVALID_REQUEST),
            };
            listed.response(p, version)
        };
        let topics = self.topics.iter().map(|t| ListedOffsetsTopic {
            name: t.name.clone(),
            partitions: t.partitions.iter().map(|p| answer(&t.name, p)).collect(),
        });
        let topics = topics.collect();
        Answer::Response(ListOffsetsResponse {
            topics,
            ..ListOffsetsResponse::default()
        })
    }

    fn refuse(&self, code: ErrorCode, version: i16) -> Answer<ListOffsetsResponse> {
        let partition = |p: &ListOffsetsPartition| Listed::error(code).response(p, version);
        let topic = |t: &ListOffsetsTopic| ListedOffsetsTopic {
            name: t.name.clone(),
            partitions: t.partitions.iter().map(partition).collect(),
        };
        Answer::Response(ListOffsetsResponse {
            topics: self.topics.iter().map(topic).collect(),
            ..ListOffsetsResponse::default()
        })
    }
}

/// What was found.
#[derive(Debug, Clone, Copy)]
struct Listed {
    code: ErrorCode,
    timestamp: i64,
    offset: i64,
    leader_epoch: i32,
}

impl Listed {
    const fn error(code: ErrorCode) -> Self {
        Self {
            code,
            timestamp: -1,
            offset: -1,
            leader_epoch: -1,
        }
    }

    const fn nothing() -> Self {
        Self::error(ErrorCode::NONE)
    }

    const fn at(offset: i64, leader_epoch: i32) -> Self {
        Self {
            offset,
            leader_epoch,
            ..Self::nothing()
        }
    }

    fn response(self, asked: &ListOffsetsPartition, version: i16) -> ListedOffsetsPartition {
        ListedOffsetsPartition {
            partition_index: asked.partition_index,
            error_code: self.code,
            timestamp: self.timestamp,
            offset: self.offset,
            leader_epoch: if version >= EPOCH_FROM {
                self.leader_epoch
            } else {
                -1
            },
        }
    }
}

/// Where to look for a record.
enum Search {
    Done(Listed),
    /// In this batch, for the first record of at least this time.
    Batch(RawBatch, i64),
}

fn list(name: &str, asked: &ListOffsetsPartition, committed: bool, call: &mut Call<'_>) -> Listed {
    let search = {
        let state = call.shared.retained_state();
        let topic = state.topics.asked(name, Uuid::nil());
        let partition = topic.ok().and_then(|t| t.partition(asked.partition_index));
        let Some(partition) = partition else {
            return Listed::error(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        };
        match partition.check_leader(call.broker, asked.current_leader_epoch) {
            Ok(()) => search(partition, asked.timestamp, committed, call.version),
            Err(code) => return Listed::error(code),
        }
    };
    match search {
        Search::Done(listed) => listed,
        Search::Batch(batch, time) => record_at(batch, time, call.decompressor),
    }
}

fn search(partition: &Partition, time: i64, committed: bool, version: i16) -> Search {
    let log = &partition.log;
    let since = |(special, since): (i64, i16)| time == special && version >= since;
    let listed = if time == LATEST {
        let end = if committed {
            log.stable_end()
        } else {
            log.high_watermark()
        };
        Listed::at(end, partition.leader_epoch)
    } else if time == EARLIEST || since(EARLIEST_LOCAL) {
        let first = log.batches().next();
        let epoch = first.map_or(partition.leader_epoch, |b| {
            b.header().partition_leader_epoch
        });
        Listed::at(log.start(), epoch)
    } else if since(LATEST_TIERED) || since(EARLIEST_PENDING_UPLOAD) {
        Listed::nothing()
    } else if since(MAX_TIMESTAMP) {
        return found(log.newest(), |b| b.header().max_timestamp);
    } else if time < 0 {
        Listed::error(ErrorCode::UNSUPPORTED_VERSION)
    } else {
        return found(log.first_at(time), |_| time);
    };
    Search::Done(listed)
}

/// Looks in this batch.
fn found(batch: Option<&RawBatch>, time: impl FnOnce(&RawBatch) -> i64) -> Search {
    let of = |b: &RawBatch| Search::Batch(b.clone(), time(b));
    batch.map_or(Search::Done(Listed::nothing()), of)
}

fn record_at(batch: RawBatch, time: i64, decompressor: &mut Decompressor) -> Listed {
    let header = *batch.header();
    let Ok(batch) = batch.open(decompressor) else {
        return Listed::error(ErrorCode::UNKNOWN_SERVER_ERROR);
    };
    let mut records = batch.records().filter_map(Result::ok);
    match records.find(|r| r.timestamp >= time) {
        Some(record) => Listed {
            timestamp: record.timestamp,
            ..Listed::at(record.offset, header.partition_leader_epoch)
        },
        None => Listed::nothing(),
    }
}

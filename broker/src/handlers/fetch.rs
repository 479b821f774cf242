//! Fetch: reads batches from where the client asks, and waits for more while there are too few.

use std::time::Duration;

use bytes::Bytes;
use ottla_protocol::{
    ErrorCode,
    messages::{
        AbortedTransaction, EpochEndOffset, FetchPartition, FetchRequest, FetchResponse,
        FetchTopic, FetchedPartition, FetchedTopic,
    },
};
use tokio::time::{Instant, timeout_at};

use crate::{
    dispatch::{Answer, Call, Handle},
    state::State,
    topics::Partition,
};

/// The first version with an error for the whole request (KIP-227).
const SESSIONS_FROM: i16 = 7;
const SESSION_ERRORS: [ErrorCode; 3] = [
    ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
    ErrorCode::INVALID_FETCH_SESSION_EPOCH,
    ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
];
/// The first version that names the leader to go to, and the first that says where it lives.
const LEADER_FROM: i16 = 12;
/// The first version in which a client says its rack, and may read from followers (KIP-392).
const RACK_FROM: i16 = 11;
/// The first version in which topics go by id (KIP-516).
const IDS_FROM: i16 = 13;
const ENDPOINTS_FROM: i16 = 16;

impl Handle for FetchRequest {
    async fn handle(mut self, call: Call<'_>) -> Answer<FetchResponse> {
        if self.replica_id >= 0 || self.replica_state.replica_id >= 0 {
            return self.refuse(ErrorCode::CLUSTER_AUTHORIZATION_FAILED, call.version);
        }
        let by_id = call.version >= IDS_FROM;
        let sessions = |state: &mut State, request: &mut Self| {
            state.fetch_sessions.begin(call.broker, request, by_id)
        };
        let begun = sessions(&mut call.shared.state(), &mut self);
        let begun = match begun {
            Ok(begun) => begun,
            Err(code) => return self.refuse(code, call.version),
        };
        let wait = Duration::from_millis(self.max_wait_ms.max(0) as u64);
        let deadline = Instant::now() + wait;
        loop {
            let mut read = Read::of(&self, &call);
            let enough = read.is_final || read.size as i64 >= i64::from(self.min_bytes);
            if enough || Instant::now() >= deadline {
                let mut state = call.shared.state();
                let sessions = &mut state.fetch_sessions;
                sessions.finish(call.broker, begun, &mut read.response);
                return Answer::Response(read.response);
            }
            // What happens after the look at the state wakes; whatever it was, all is read anew.
            let _: Result<(), _> = timeout_at(deadline, call.wake.notified()).await;
        }
    }

    fn refuse(&self, code: ErrorCode, version: i16) -> Answer<FetchResponse> {
        let partition = |p: &FetchPartition| refused(p.partition, code);
        let topic = |t: &FetchTopic| FetchedTopic {
            topic: t.topic.clone(),
            topic_id: t.topic_id,
            partitions: t.partitions.iter().map(partition).collect(),
        };
        // Only what is wrong with the session is wrong with everything.
        let whole = version >= SESSIONS_FROM && SESSION_ERRORS.contains(&code);
        let topics = self.topics.iter().filter(|_| !whole);
        Answer::Response(FetchResponse {
            error_code: if whole { code } else { ErrorCode::NONE },
            responses: topics.map(topic).collect(),
            ..FetchResponse::default()
        })
    }
}

/// One look at all partitions of a request.
struct Read {
    response: FetchResponse,
    /// The bytes of all records.
    size: usize,
    /// Whether waiting longer makes no sense.
    is_final: bool,
}

impl Read {
    fn of(request: &FetchRequest, call: &Call<'_>) -> Self {
        let mut state = call.shared.retained_state();
        let most = call.shared.settings.fetch_max_bytes;
        let mut read = Self {
            response: FetchResponse::default(),
            size: 0,
            is_final: request.topics.is_empty(),
        };
        let mut limit = most.min(request.max_bytes.max(0) as usize);
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in &topic.partitions {
                let committed = request.isolation_level == 1;
                let room = Room {
                    limit,
                    first: read.size == 0,
                    committed,
                };
                let fetched = room.read(topic, asked, call, &request.rack_id, &mut state);
                let size = fetched.records.as_ref().map_or(0, Bytes::len);
                limit = limit.saturating_sub(size);
                read.size += size;
                let diverges = fetched.diverging_epoch != EpochEndOffset::default();
                let elsewhere = fetched.preferred_read_replica >= 0;
                read.is_final |= !fetched.error_code.is_ok() || diverges || elsewhere;
                partitions.push(fetched);
            }
            read.response.responses.push(FetchedTopic {
                topic: topic.topic.clone(),
                topic_id: topic.topic_id,
                partitions,
            });
        }
        if call.version >= ENDPOINTS_FROM {
            let partitions = read.response.responses.iter().flat_map(|t| &t.partitions);
            let leaders = partitions.map(|p| p.current_leader.leader_id);
            read.response.node_endpoints = state.endpoints(leaders);
        }
        read
    }
}

/// What may still be read.
struct Room {
    limit: usize,
    /// Nothing was read yet: the first batch is read whole, or else no client could get over one
    /// that is larger than its limits (KIP-74).
    first: bool,
    /// Only what no open transaction can take back is read.
    committed: bool,
}

impl Room {
    fn read(
        &self,
        topic: &FetchTopic,
        asked: &FetchPartition,
        call: &Call<'_>,
        rack: &str,
        state: &mut State,
    ) -> FetchedPartition {
        let index = asked.partition;
        let replicas = call.version >= RACK_FROM && call.shared.settings.rack_aware;
        let in_rack = replicas.then(|| state.running().find(|b| *b.rack() == *rack).map(|b| b.id));
        let found = match state.topics.asked_mut(&topic.topic, topic.topic_id) {
            Ok(topic) => topic.partition_mut(index),
            Err(code) => return refused(index, code),
        };
        let Some(partition) = found else {
            return refused(index, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        };
        let checked = partition.check_leader(call.broker, asked.current_leader_epoch);
        if in_rack.is_some()
            && checked == Err(ErrorCode::NOT_LEADER_OR_FOLLOWER)
            && partition.replicas.contains(call.broker)
        {
            partition.waiters.add(call.wake);
            return self.read_log(partition, asked, partition.replicas.end(call.broker));
        }
        if let Some(Some(nearer)) = in_rack
            && checked.is_ok()
            && partition.is_nearer(nearer, asked.fetch_offset)
        {
            return FetchedPartition {
                high_watermark: partition.log.high_watermark(),
                last_stable_offset: partition.log.stable_end(),
                log_start_offset: partition.log.start(),
                preferred_read_replica: nearer,
                ..refused(index, ErrorCode::NONE)
            };
        }
        if let Err(code) = checked {
            let moved = [
                ErrorCode::NOT_LEADER_OR_FOLLOWER,
                ErrorCode::FENCED_LEADER_EPOCH,
            ];
            let mut fetched = refused(index, code);
            if call.version >= LEADER_FROM && moved.contains(&code) {
                fetched.current_leader = partition.current_leader();
            }
            return fetched;
        }
        partition.waiters.add(call.wake);
        self.read_log(partition, asked, partition.log.end())
    }

    /// Reads the log as far as the asked replica has it.
    fn read_log(
        &self,
        partition: &Partition,
        asked: &FetchPartition,
        end: i64,
    ) -> FetchedPartition {
        let log = &partition.log;
        let mut fetched = FetchedPartition {
            high_watermark: log.high_watermark(),
            last_stable_offset: log.stable_end(),
            log_start_offset: log.start(),
            records: Some(Bytes::new()),
            ..refused(asked.partition, ErrorCode::NONE)
        };
        if asked.last_fetched_epoch >= 0 {
            let end = log.end_of_epoch(asked.last_fetched_epoch);
            if end.epoch < asked.last_fetched_epoch || end.end_offset < asked.fetch_offset {
                let (epoch, end_offset) = (end.epoch, end.end_offset);
                fetched.diverging_epoch = EpochEndOffset { epoch, end_offset };
                return fetched;
            }
        }
        let from = asked.fetch_offset;
        if !(log.start()..=end).contains(&from) {
            let code = ErrorCode::OFFSET_OUT_OF_RANGE;
            return refused(asked.partition, code);
        }
        let limit = self.limit.min(asked.partition_max_bytes.max(0) as usize);
        let until = if self.committed {
            log.stable_end()
        } else {
            log.high_watermark()
        };
        let until = until.min(end);
        fetched.records = Some(log.read(from, until, limit, self.first));
        fetched.aborted_transactions = self.committed.then(|| {
            let aborted = log.aborted(from, until).into_iter();
            let transaction = |(producer_id, first_offset)| AbortedTransaction {
                producer_id,
                first_offset,
            };
            aborted.map(transaction).collect()
        });
        fetched
    }
}

fn refused(index: i32, code: ErrorCode) -> FetchedPartition {
    FetchedPartition {
        partition_index: index,
        error_code: code,
        high_watermark: -1,
        records: Some(Bytes::new()),
        ..FetchedPartition::default()
    }
}

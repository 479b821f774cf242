//! From the brokers: what a fetch or a look-up brought.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant as StdInstant},
};

use bytes::Bytes;
use ottla_core::fetcher::{Fetch, Fetched, Lookup, Wanted};
use ottla_protocol::{
    ErrorCode,
    messages::{FetchResponse, FetchedPartition, NodeEndpoint},
    records::Batches,
};
use tokio::time::Instant;

use super::{Driver, Event, Key, RawBatches, Trouble};
use crate::{
    consumer::budget::Charge,
    error::{Error, ErrorKind, Result},
    offsets::FoundOffset,
};

/// A broker's word that a fetch session cannot be gone on with (KIP-227, KIP-516).
const SESSION_LOST: [ErrorCode; 3] = [
    ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
    ErrorCode::INVALID_FETCH_SESSION_EPOCH,
    ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
];

/// A broker that has nothing is asked again after this long at the earliest, also where
/// `fetch.min.bytes` or `fetch.max.wait.ms` is 0.
const LEAST_WAIT: Duration = Duration::from_millis(10);

impl Driver {
    pub(super) fn handle_event(&mut self, event: Event) {
        match event {
            Event::Fetched(fetch, asked, Ok(response)) => {
                self.heed_throttle(&fetch, asked, &response);
                match response.error_code {
                    ErrorCode::NONE => self.fetched(&fetch, response),
                    code if SESSION_LOST.contains(&code) && !fetch.is_full() => {
                        self.session_lost(&fetch, code);
                    }
                    code => {
                        let doing = format!("fetching from broker {}", fetch.broker);
                        self.lost(&fetch, &Error::answered(code, doing));
                    }
                }
            }
            Event::Fetched(fetch, _, Err(error)) => self.lost(&fetch, &error),
            Event::LookedUp(broker, lookups, found) => {
                self.machine.handle_lookups_done(broker);
                self.looked_up(&lookups, found);
            }
        }
    }

    /// A broker that asks for a pause gets it (KIP-219, rule 10). One that answers at once with nothing,
    /// although it was asked to wait for records, gets a short one: the next fetch would be answered
    /// as fast. So does one that was asked not to wait, or a partition without records would take a whole
    /// core.
    fn heed_throttle(&mut self, fetch: &Fetch, asked: Instant, response: &FetchResponse) {
        let now = Instant::now();
        let throttle = u64::try_from(response.throttle_time_ms).unwrap_or(0);
        let mut pause = Duration::from_millis(throttle);
        let waited = now.duration_since(asked);
        if is_empty(response) {
            if self.settings.min_bytes > 0 && waited < self.settings.max_wait / 2 {
                pause = pause.max(self.client.retry_backoff().first);
            }
            pause = pause.max(LEAST_WAIT.saturating_sub(waited));
        }
        if !pause.is_zero() {
            let until = (now + pause).into_std();
            self.machine.handle_throttle(fetch.broker, until);
        }
    }

    /// The broker has restarted, had no room for the session, or has not seen the last request. All is
    /// named again, after a pause: a broker that keeps no session would be asked as fast as it answers.
    fn session_lost(&mut self, fetch: &Fetch, code: ErrorCode) {
        tracing::debug!(broker = fetch.broker, %code, "the fetch session is begun again");
        self.machine.handle_session_lost(fetch.broker);
        self.pause(fetch.broker);
    }

    /// Asks a broker for nothing for a while.
    fn pause(&mut self, broker: i32) {
        let pause = self.client.retry_backoff().first;
        let until = (Instant::now() + pause).into_std();
        self.machine.handle_throttle(broker, until);
    }

    /// A fetch that failed as a whole. It is made again; what no repetition mends is told.
    fn lost(&mut self, fetch: &Fetch, error: &Error) {
        let error = &error.clone().at_broker(fetch.broker);
        tracing::debug!(broker = fetch.broker, %error, "a fetch failed");
        let now = Instant::now().into_std();
        // What no repetition mends concerns all that the session asks for.
        let told: Vec<Key> = if error.is_retriable() {
            Vec::new()
        } else {
            let all = self.machine.all_wanted(fetch.broker);
            all.map(|w| (w.topic.clone(), w.partition)).collect()
        };
        self.machine
            .handle_fetch_lost(now, fetch, error.doubts_address());
        for key in told {
            self.tell(&key, error.clone());
        }
    }

    fn looked_up(&mut self, lookups: &[Lookup], found: Vec<Result<FoundOffset>>) {
        let now = Instant::now().into_std();
        for (lookup, found) in lookups.iter().zip(found) {
            let (topic, partition) = (&lookup.topic, lookup.partition);
            let answer = found.map(|found| found.offset).map_err(|error| {
                if error.doubts_address() {
                    self.machine.handle_moved(lookup.slot);
                }
                if error.code().is_none() && !error.is_retriable() {
                    self.tell(&(topic.clone(), partition), error.clone());
                }
                error.to_failure()
            });
            if let Ok(offset) = answer {
                tracing::info!(%topic, partition, start = ?lookup.start, offset, "found where to start");
            }
            self.machine.handle_looked_up(now, lookup, answer);
        }
    }

    fn fetched(&mut self, fetch: &Fetch, response: FetchResponse) {
        let now = Instant::now().into_std();
        let broker = fetch.broker;
        if !self.machine.handle_fetch_done(broker, response.session_id) {
            return;
        }
        let topology = self.client.topology();
        let (mut answers, mut seen) = (Vec::new(), HashSet::new());
        let (mut size, mut unwanted) = (0, 0);
        for topic in response.responses {
            let by_id = topology.topic_by_id(topic.topic_id).map(|t| t.name.clone());
            let by_name = Some(topic.topic).filter(|_| topic.topic_id.is_nil());
            let Some(name) = by_id.or(by_name) else {
                unwanted += topic.partitions.len();
                continue;
            };
            for partition in topic.partitions {
                size += partition.records.as_ref().map_or(0, Bytes::len);
                let number = partition.partition_index;
                // Others than those of the session were not asked for, and the first entry counts.
                match self.machine.wanted(broker, &name, number) {
                    Some(wanted) if seen.insert(wanted.slot) => answers.push((wanted, partition)),
                    Some(_) => {}
                    None => unwanted += 1,
                }
            }
        }
        if response.session_id == 0 {
            let left_out = |w: &&Wanted| !seen.contains(&w.slot);
            for wanted in fetch.partitions.iter().filter(left_out) {
                let missing = Fetched::Missing;
                self.machine.handle_fetched(now, broker, wanted, missing);
            }
        }
        if response.session_id != 0 && self.settings.tells_end {
            let left_out = |w: &&Wanted| !seen.contains(&w.slot);
            for wanted in fetch.partitions.iter().filter(left_out) {
                self.tell_end_again(wanted);
            }
        }
        // All batches of an answer lie in one frame: it lives as long as one of them.
        let frame = self.budget.charge_frame(size);
        let shares = self.machine.all_wanted(broker).nth(1).is_some();
        // Partitions that got nothing first: they come first in the next fetch, too.
        let (with, without): (Vec<_>, Vec<_>) = answers
            .into_iter()
            .partition(|(_, answer)| !records(answer).is_empty());
        let endpoints = &response.node_endpoints;
        for (wanted, answer) in without.into_iter().chain(with) {
            self.take(now, broker, &wanted, answer, endpoints, (shares, &frame));
        }
        if unwanted > 0 {
            tracing::debug!(
                broker,
                unwanted,
                "the broker answers for partitions that are not wanted of it"
            );
            self.machine.handle_unwanted(broker);
            self.pause(broker);
        }
    }

    /// What a fetch brought for one partition. `shares`: others were in the same fetch.
    fn take(
        &mut self,
        now: StdInstant,
        broker: i32,
        wanted: &Wanted,
        answer: FetchedPartition,
        endpoints: &[NodeEndpoint],
        (shares, frame): (bool, &Arc<Charge>),
    ) {
        if !answer.error_code.is_ok() {
            return self.refused(now, broker, wanted, &answer, endpoints);
        }
        if answer.preferred_read_replica >= 0 && records(&answer).is_empty() {
            let replica = answer.preferred_read_replica;
            let (topic, partition) = (&wanted.topic, wanted.partition);
            tracing::debug!(%topic, partition, replica, "the leader names a replica to read from");
            let named = Fetched::Replica(replica);
            self.machine.handle_fetched(now, broker, wanted, named);
            return;
        }
        let high_watermark = answer.high_watermark;
        let records = answer.records.unwrap_or_default();
        let size = records.len();
        let walked = Walked::of(records.clone(), wanted.offset);
        let up_to = Fetched::UpTo(walked.next);
        if !self.machine.handle_fetched(now, broker, wanted, up_to) {
            return;
        }
        let key: Key = (wanted.topic.clone(), wanted.partition);
        if size == 0 {
            return self.tell_end(&key, wanted, walked.next, high_watermark);
        }
        // Other partitions used up `fetch.max.bytes`. Don't back off: this one moves to the front of
        // a later fetch (rule 64).
        let cut_short = !walked.has_batches && shares;
        if walked.next == wanted.offset && !cut_short {
            self.machine.handle_no_progress(now, wanted.slot);
        }
        let content = Ok(RawBatches {
            records,
            from: wanted.offset,
            high_watermark,
            frame: frame.clone(),
        });
        self.pass_on(&key, wanted.incarnation, content);
        self.tell_end(&key, wanted, walked.next, high_watermark);
    }

    /// Tells that a partition is read to its end, once for each time that it is.
    fn tell_end(&mut self, key: &Key, wanted: &Wanted, next: i64, high_watermark: i64) {
        if !self.settings.tells_end {
            return;
        }
        self.topics.set_high_watermark(key, high_watermark);
        let is_end = high_watermark >= 0 && next >= high_watermark;
        let end = (wanted.incarnation, next);
        if is_end && self.topics.reaches_end(key, end) {
            let doing = format!("reading {}-{}", key.0, key.1);
            let error = Error::new(ErrorKind::PartitionEnd { offset: next }, doing);
            let trouble = Trouble { error, lost: false };
            self.pass_on(key, wanted.incarnation, Err(trouble));
        }
    }

    /// A broker leaves a partition of a session out of its answer when nothing is new: after a seek to the
    /// end, that is all it says (KIP-227).
    fn tell_end_again(&mut self, wanted: &Wanted) {
        let key: Key = (wanted.topic.clone(), wanted.partition);
        if let Some(high_watermark) = self.topics.get(&key).and_then(|a| a.high_watermark) {
            self.tell_end(&key, wanted, wanted.offset, high_watermark);
        }
    }

    fn refused(
        &mut self,
        now: StdInstant,
        broker: i32,
        wanted: &Wanted,
        answer: &FetchedPartition,
        endpoints: &[NodeEndpoint],
    ) {
        let (topic, n) = (&wanted.topic, wanted.partition);
        let metadata = self.client.metadata();
        metadata.hint_leader(topic, n, &answer.current_leader, endpoints);
        if answer.error_code == ErrorCode::OFFSET_OUT_OF_RANGE {
            let (offset, reset) = (wanted.offset, self.settings.reset);
            tracing::info!(%topic, partition = n, broker, offset, ?reset, "the log holds no such offset");
        }
        let error = Fetched::Error(answer.error_code);
        self.machine.handle_fetched(now, broker, wanted, error);
    }
}

fn records(answer: &FetchedPartition) -> &[u8] {
    answer.records.as_deref().unwrap_or_default()
}

/// Whether an answer has neither records nor errors nor replicas to read from.
fn is_empty(response: &FetchResponse) -> bool {
    let partitions = response.responses.iter().flat_map(|t| &t.partitions);
    let says_nothing = |p: &FetchedPartition| {
        p.error_code.is_ok() && p.preferred_read_replica < 0 && records(p).is_empty()
    };
    response.error_code.is_ok() && partitions.clone().all(says_nothing)
}

/// What a look at the headers of one partition's batches says.
struct Walked {
    /// Whether there is a whole batch, or a damaged one.
    has_batches: bool,
    /// The offset behind the whole batches.
    next: i64,
}

impl Walked {
    fn of(records: Bytes, from: i64) -> Self {
        let mut walked = Self {
            has_batches: false,
            next: from,
        };
        for batch in Batches::new(records) {
            walked.has_batches = true;
            if let Ok(batch) = batch {
                // Also where compaction left nothing of the batch (rule 63).
                let behind = batch.header().last_offset().saturating_add(1);
                walked.next = walked.next.max(behind);
            }
        }
        walked
    }
}

//! From the brokers back: what an answer says of each batch, and how a batch ends.

use std::{
    sync::Arc,
    time::{Duration, Instant as StdInstant},
};

use ottla_core::{
    failure::{Failure, Unsendable},
    producer::{Answer, Outcome, RequestId},
};
use ottla_protocol::{
    ErrorCode,
    messages::{InitProducerIdRequest, ProduceResponse, ProducedPartition},
    wire::Request,
};
use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::{Event, Produced, Sender};
use crate::{
    error::{Error, ErrorKind},
    producer::{
        batch::Held,
        record::{BatchOutcome, BatchWritten, Refusal},
    },
};

/// What becomes of a batch that no broker was sent.
pub(super) const ABORTED: Outcome = Outcome::Aborted {
    possibly_written: false,
};

/// What becomes of a batch that could not be compressed.
pub(super) const SPOILT: Outcome = Outcome::Refused {
    error: Failure::Broker(ErrorCode::UNKNOWN_SERVER_ERROR),
    possibly_written: false,
};

impl Sender {
    pub(super) fn handle(&mut self, event: Event) {
        let now = Instant::now().into_std();
        match event {
            Event::ProducerId(answer) => self.identified(now, answer),
            Event::Produced(broker, id, answer) => {
                for (id, answer) in self.order.answered(broker, id, answer) {
                    self.take_in(now, id, answer);
                }
            }
            Event::Packed(packed) => {
                match self.packing.ready(*packed) {
                    Ok(ready) => {
                        for (slot, batch) in ready {
                            self.enter(slot, batch);
                            // Its open batch may have waited for this one.
                            self.lingering.touch(slot);
                        }
                    }
                    Err(given_up) => self.finish(given_up.payload, ABORTED, None),
                }
                self.run_jobs();
            }
        }
    }

    fn identified(&mut self, now: StdInstant, answer: Result<(i64, i16), Error>) {
        let failure = answer.as_ref().map_err(Error::to_failure).copied();
        if let Err(error) = &answer {
            tracing::warn!(%error, "no producer id");
        }
        self.identity_error = answer.err();
        self.machine.handle_identity(now, failure);
    }

    /// What became of a request, in its turn.
    fn take_in(&mut self, now: StdInstant, id: RequestId, answer: Result<Produced, Error>) {
        match answer {
            Ok(Produced::Written) => {
                self.heard_from(now, id, 0);
                let done = Answer {
                    error: ErrorCode::NONE,
                    base_offset: -1,
                    log_append_time: -1,
                    log_start_offset: -1,
                };
                self.machine.handle_response(now, id, |_| Some(done));
            }
            Ok(Produced::Answered(response)) => {
                self.heard_from(now, id, response.throttle_time_ms);
                self.answered(now, id, &response);
            }
            Err(error) => {
                tracing::debug!(%error, "a produce request got no answer");
                match error.to_failure() {
                    failure @ Failure::Unsendable(_) => {
                        tracing::error!(%error, "a produce request cannot be written");
                        self.machine.handle_unsendable(now, id, &failure);
                    }
                    _ => self.lost(now, id, error),
                }
            }
        }
    }

    /// A request without an answer. Its error is kept: what expires later tells it as its cause.
    fn lost(&mut self, now: StdInstant, id: RequestId, error: Error) {
        let possibly_written = error.possibly_written();
        if let Some(broker) = self.machine.broker(id) {
            self.last_errors.insert(broker, error);
        }
        self.machine.handle_lost(now, id, possibly_written);
    }

    /// A broker is there, and perhaps asks for a pause.
    fn heard_from(&mut self, now: StdInstant, id: RequestId, throttle_time_ms: i32) {
        let Some(broker) = self.machine.broker(id) else {
            return;
        };
        self.loads.answered(now, broker);
        self.last_errors.remove(&broker);
        if let Ok(pause @ 1..) = u64::try_from(throttle_time_ms) {
            let until = now + Duration::from_millis(pause);
            self.machine.handle_throttle(broker, until);
        }
    }

    fn answered(&mut self, now: StdInstant, id: RequestId, response: &ProduceResponse) {
        let topology = self.client.topology();
        let (mut answers, mut refusals) = (FxHashMap::default(), FxHashMap::default());
        for topic in &response.responses {
            let by_id = topology.topic_by_id(topic.topic_id).map(|t| t.name.clone());
            let name = if topic.topic_id.is_nil() {
                Some(topic.name.clone())
            } else {
                by_id
            };
            let Some(name) = name else { continue };
            for partition in &topic.partition_responses {
                if !partition.error_code.is_ok() {
                    let endpoints = &response.node_endpoints;
                    let (n, leader) = (partition.index, &partition.current_leader);
                    self.client
                        .metadata()
                        .hint_leader(&name, n, leader, endpoints);
                }
                if let Some(slot) = self.topics.slot(&name, partition.index) {
                    // The first entry counts; others for the same partition were not asked for.
                    answers.entry(slot).or_insert_with(|| answer(partition));
                    if let Some(refusal) = refusal(&name, partition) {
                        refusals.entry(slot).or_insert(refusal);
                    }
                }
            }
        }
        self.machine
            .handle_response(now, id, |slot| answers.get(&slot).copied());
        self.finish_all(&refusals);
    }

    pub(super) fn finish(&mut self, held: Held, outcome: Outcome, refusal: Option<&Arc<Refusal>>) {
        let after_ms = self.settings.delivery_timeout.as_millis();
        let failed = |possibly_written, kind| {
            let completion = &held.completion;
            let hint = hint(&kind);
            let error = unsure_if(possibly_written, kind, held.doing()).saying(hint);
            BatchOutcome::Failed(error.about(&completion.topic, completion.partition))
        };
        let outcome = match outcome {
            Outcome::Delivered {
                base_offset,
                log_append_time,
            } => BatchOutcome::Written(BatchWritten {
                base_offset,
                append_time: (log_append_time >= 0).then_some(log_append_time),
            }),
            Outcome::Refused {
                error,
                possibly_written,
            } => match refusal {
                Some(refusal) if !possibly_written => BatchOutcome::Refused(refusal.clone()),
                _ => failed(possibly_written, kind(error)),
            },
            Outcome::Expired {
                possibly_written,
                last_error,
            } => {
                let last = self.cause(&held, last_error);
                failed(possibly_written, ErrorKind::Timeout { after_ms, last })
            }
            Outcome::Aborted { possibly_written } => {
                let what = "the producer";
                failed(possibly_written, ErrorKind::Closed { what })
            }
        };
        warn_of(&held, &outcome);
        match &outcome {
            BatchOutcome::Failed(error) => self.flushes.failures.add(held.count, error),
            BatchOutcome::Refused(refusal) => {
                let first = refusal.records.first().map_or(&refusal.others, |(_, e)| e);
                self.flushes.failures.add(held.count, first);
            }
            BatchOutcome::Written(_) | BatchOutcome::Split(_) => {}
        }
        held.completion.finish(outcome);
        self.flushes.end(held.number);
    }
}

impl Sender {
    /// The last cause in words: what the leader's connection died of, where that is known. A batch that
    /// was never sent waited for a producer id, or for a leader.
    fn cause(&self, held: &Held, failure: Option<Failure>) -> Option<String> {
        let leader = self
            .topology
            .leader(&held.completion.topic, held.completion.partition);
        let of_leader = leader.and_then(|(id, _)| self.last_errors.get(&id));
        match failure {
            Some(failure @ Failure::Lost { .. }) => {
                let error = of_leader.map(ToString::to_string);
                Some(error.unwrap_or_else(|| kind(failure).to_string()))
            }
            Some(failure) => Some(kind(failure).to_string()),
            None => {
                let error = self.identity_error.as_ref().or(of_leader);
                let trouble = || self.snapshots.borrow().trouble();
                error.map(ToString::to_string).or_else(trouble)
            }
        }
    }
}

/// Records that were refused or expired are worth a line for each batch: an application may not await its deliveries.
/// Those of a producer that is closed are not.
fn warn_of(held: &Held, outcome: &BatchOutcome) {
    let (topic, partition) = (&held.completion.topic, held.completion.partition);
    match outcome {
        BatchOutcome::Failed(error) if !error.is_fatal() => {
            tracing::warn!(%topic, partition, %error, "records were not written");
        }
        BatchOutcome::Refused(refusal) => {
            let error = &refusal.others;
            tracing::warn!(%topic, partition, %error, "records were refused");
        }
        _ => {}
    }
}

/// Which setting would help.
fn hint(kind: &ErrorKind) -> Option<Arc<str>> {
    let ErrorKind::Version(error) = kind else {
        return None;
    };
    let wants_id = error.api == InitProducerIdRequest::NAME;
    wants_id.then(|| "set enable.idempotence=false to produce without a producer id".into())
}

/// Why a batch was refused, as an error's kind.
fn kind(failure: Failure) -> ErrorKind {
    match failure {
        Failure::Broker(code) => ErrorKind::Broker(code),
        Failure::Unsendable(Unsendable::Version(error)) => ErrorKind::Version(error),
        Failure::Unsendable(Unsendable::Encode(error)) => ErrorKind::Encode(error),
        Failure::Lost { .. } => ErrorKind::Broker(ErrorCode::NETWORK_EXCEPTION),
    }
}

/// What a broker said about single records (KIP-467). Where it names one record, its error is that
/// one's; where it names several, each is invalid for a reason of its own.
fn refusal(topic: &Arc<str>, p: &ProducedPartition) -> Option<Arc<Refusal>> {
    if p.record_errors.is_empty() && p.error_message.is_none() {
        return None;
    }
    let doing = format!("writing to {topic}-{}", p.index);
    let code = match &p.record_errors[..] {
        [] | [_] => p.error_code,
        _ => ErrorCode::INVALID_RECORD,
    };
    let of_record = |code, message: &Option<Arc<str>>| {
        let message = message.clone().or_else(|| p.error_message.clone());
        Error::refused(code, message, doing.clone()).about(topic, p.index)
    };
    let mut records: Vec<_> = p
        .record_errors
        .iter()
        .filter_map(|r| Some((u32::try_from(r.batch_index).ok()?, r)))
        .map(|(index, r)| (index, of_record(code, &r.batch_index_error_message)))
        .collect();
    records.sort_by_key(|(index, _)| *index);
    let others = match &records[..] {
        [] => of_record(p.error_code, &None),
        _ => Error::new(ErrorKind::BatchRefused(p.error_code), doing.clone()).about(topic, p.index),
    };
    Some(Arc::new(Refusal { records, others }))
}

fn unsure_if(possibly_written: bool, kind: ErrorKind, doing: String) -> Error {
    if possibly_written {
        Error::unsure(kind, doing)
    } else {
        Error::new(kind, doing)
    }
}

fn answer(p: &ProducedPartition) -> Answer {
    Answer {
        error: p.error_code,
        base_offset: p.base_offset,
        log_append_time: p.log_append_time_ms,
        log_start_offset: p.log_start_offset,
    }
}

//! When a partition may be tried again, and what was wrong last.

use std::time::{Duration, Instant};

use ottla_protocol::ErrorCode;

use crate::{
    backoff::{Attempts, Backoff},
    failure::Failure,
    producer::verdict::{is_hosts, is_unknown},
};

#[derive(Debug)]
pub(super) struct Retry {
    /// Nothing is sent before this time.
    not_before: Option<Instant>,
    attempts: Attempts,
    last_error: Option<Failure>,
    /// When the topic was first found to be unknown, since the last success (rule 39).
    unknown_since: Option<Instant>,
}

impl Retry {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            not_before: None,
            attempts: Attempts::new(seed),
            last_error: None,
            unknown_since: None,
        }
    }

    pub(super) const fn is_waiting(&self) -> bool {
        self.not_before.is_some()
    }

    /// Whether the topic has been unknown for as long as it may be.
    pub(super) fn is_unknown_for(&self, now: Instant, limit: Duration) -> bool {
        self.unknown_since.is_some_and(|since| since + limit <= now)
    }

    pub(super) fn last_error(&self) -> Option<Failure> {
        self.last_error.clone()
    }

    /// Remembers what went wrong. An unknown topic is given up only if no broker answers as its host
    /// in between; other errors do not hide that it stays unknown (rule 39).
    pub(super) fn record_error(&mut self, now: Instant, error: Failure) {
        match error {
            Failure::Broker(code) if is_unknown(code) => {
                self.unknown_since.get_or_insert(now);
            }
            Failure::Broker(code) if is_hosts(code) || code == ErrorCode::LEADER_NOT_AVAILABLE => {
                self.unknown_since = None;
            }
            _ => {}
        }
        self.last_error = Some(error);
    }

    pub(super) fn back_off(&mut self, now: Instant, backoff: &Backoff) {
        self.not_before = Some(now + self.attempts.delay(backoff));
    }

    /// Ends a backoff that is over, whether or not something may be sent then: left in place it would
    /// be due again at once, and the caller would spin until the next answer.
    pub(super) fn expire_backoff(&mut self, now: Instant) {
        self.not_before = self.not_before.filter(|at| *at > now);
    }

    /// A batch was acknowledged: the next failure is the first one again.
    pub(super) fn succeed(&mut self) {
        self.attempts.reset();
        self.last_error = None;
        self.unknown_since = None;
    }

    /// The partition holds nothing that would have to wait.
    pub(super) fn rest(&mut self) {
        self.not_before = None;
    }

    /// The first batch after the partition was empty has time and attempts of its own. What failed before it
    /// was told of those batches.
    pub(super) fn begin(&mut self) {
        self.attempts.reset();
        self.last_error = None;
        self.unknown_since = None;
    }

    /// The topic was given up.
    pub(super) fn give_up(&mut self) {
        self.unknown_since = None;
        self.not_before = None;
    }

    /// When the backoff ends, or the topic has been unknown for too long.
    pub(super) fn next_event(&self, unknown: Duration) -> Option<Instant> {
        let given_up = self.unknown_since.map(|since| since + unknown);
        given_up.into_iter().chain(self.not_before).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    /// Whether a topic that was unknown is unknown still, after this error.
    fn hides(code: ErrorCode) -> bool {
        let now = Instant::now();
        let mut retry = Retry::new(1);
        let unknown = Failure::Broker(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        retry.record_error(now, unknown);
        assert!(!retry.is_unknown_for(now, LIMIT) && retry.is_unknown_for(now + LIMIT, LIMIT));
        retry.record_error(now, Failure::Broker(code));
        !retry.is_unknown_for(now + LIMIT, LIMIT)
    }

    #[test]
    fn only_what_a_host_answers_hides_that_a_topic_is_unknown() {
        assert!(hides(ErrorCode::NOT_ENOUGH_REPLICAS));
        assert!(hides(ErrorCode::LEADER_NOT_AVAILABLE));
        assert!(!hides(ErrorCode::NOT_LEADER_OR_FOLLOWER));
        assert!(!hides(ErrorCode::CORRUPT_MESSAGE));
        assert!(!hides(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    }

    #[test]
    fn a_backoff_ends_at_its_time() {
        let now = Instant::now();
        let mut retry = Retry::new(1);
        retry.back_off(now, &Backoff::RETRY);
        let until = retry.not_before.expect("it waits");
        assert!(until > now);
        retry.expire_backoff(until - Duration::from_nanos(1));
        assert!(retry.is_waiting());
        retry.expire_backoff(until);
        assert!(!retry.is_waiting());
    }
}

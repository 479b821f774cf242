//! Which batches are not finished, and which flushes wait for them.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};

/// The records that failed since a flush told of any, so that none fails unnoticed where deliveries are
/// dropped.
#[derive(Debug, Default)]
pub(in crate::producer) struct Failures {
    records: u64,
    possibly_written: bool,
    first: Option<Error>,
}

impl Failures {
    /// All records of a batch failed, for this reason or another like it.
    pub(super) fn add(&mut self, records: u32, error: &Error) {
        self.records += u64::from(records);
        self.possibly_written |= error.possibly_written();
        self.first.get_or_insert_with(|| error.clone());
    }

    /// An error where any failed.
    pub(in crate::producer) fn into_result(self, doing: &str) -> Result<()> {
        let Some(first) = self.first else {
            return Ok(());
        };
        let kind = ErrorKind::Unwritten {
            records: self.records,
            first: first.cause(),
        };
        Err(if self.possibly_written {
            Error::unsure(kind, doing)
        } else {
            Error::new(kind, doing)
        })
    }
}

#[derive(Debug, Default)]
pub(super) struct Flushes {
    /// How many batches are held under each number: the parts of one that was cut share its number.
    outstanding: BTreeMap<u64, u32>,
    /// Each flush waits for all batches below its number.
    waiting: VecDeque<(u64, oneshot::Sender<Failures>)>,
    next: u64,
    /// What the next flush that ends tells.
    pub(super) failures: Failures,
}

impl Flushes {
    /// The number of a batch that is taken now.
    pub(super) fn begin(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        self.outstanding.insert(number, 1);
        number
    }

    /// A batch was cut into this many more.
    pub(super) fn split(&mut self, number: u64, more: u32) {
        *self.outstanding.entry(number).or_default() += more;
    }

    /// A batch, or a part of one, is finished.
    pub(super) fn end(&mut self, number: u64) {
        if let Some(left) = self.outstanding.get_mut(&number) {
            *left -= 1;
            if *left == 0 {
                self.outstanding.remove(&number);
            }
        }
    }

    /// A flush waits for all batches that were taken so far.
    pub(super) fn wait(&mut self, done: oneshot::Sender<Failures>) {
        self.waiting.push_back((self.next, done));
    }

    /// Ends the flushes whose batches are all finished.
    pub(super) fn answer(&mut self) {
        let oldest = self.outstanding.first_key_value();
        let oldest = oldest.map_or(u64::MAX, |(number, _)| *number);
        while let Some((up_to, _)) = self.waiting.front()
            && *up_to <= oldest
        {
            if let Some((_, done)) = self.waiting.pop_front() {
                // The caller may have dropped its flush; another one is told then.
                let told = done.send(std::mem::take(&mut self.failures));
                self.failures = told.err().unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ottla_protocol::ErrorCode;

    use super::*;

    #[test]
    fn failures_are_told_once_and_by_a_flush_that_is_waited_for() {
        let mut flushes = Flushes::default();
        let error = |code| Error::answered(code, "writing to t-0");
        flushes
            .failures
            .add(3, &error(ErrorCode::MESSAGE_TOO_LARGE));
        flushes.failures.add(2, &error(ErrorCode::INVALID_RECORD));
        let mut flush = || {
            let (done, wait) = oneshot::channel();
            flushes.wait(done);
            wait
        };
        drop(flush());
        let (mut told, mut later) = (flush(), flush());
        flushes.answer();
        let error = told.try_recv().expect("it is done").into_result("flushing");
        let text = error.expect_err("records failed").to_string();
        assert!(
            text.contains("5 records") && text.contains("MESSAGE_TOO_LARGE"),
            "{text}"
        );
        let nothing = later.try_recv().expect("it is done");
        nothing.into_result("flushing").expect("all is told");
    }
}

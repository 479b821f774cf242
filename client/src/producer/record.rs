//! A record to be sent, and what became of it.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::{Context, Poll, Waker},
    time::SystemTime,
};

use ottla_protocol::records::{Header, NullableBytes};
use smallvec::SmallVec;

use crate::{
    error::{Error, Result},
    time,
};

/// A record to be sent, borrowed from the caller: [`Producer::send`](super::Producer::send) copies it
/// straight into the batch.
///
/// It lends its headers from a list of the caller's, or has its own once [`header`](Self::header) was
/// called; `H` is which. Without headers of its own it can be copied.
///
/// ```
/// use ottla::Record;
/// let paid = Record::to("orders").key("42").value("paid");
/// let traced = paid.header("trace", "4bf92f").header("retry", None::<&str>);
/// assert_eq!(traced.header_slice().len(), 2);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Record<'a, H = &'a [Header<'a>]> {
    pub(super) topic: &'a str,
    pub(super) partition: Option<i32>,
    pub(super) timestamp: Option<i64>,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: H,
}

impl<'a> Record<'a> {
    /// An empty record for a topic: key and value are null.
    #[must_use]
    pub const fn to(topic: &'a str) -> Self {
        Self {
            topic,
            partition: None,
            timestamp: None,
            key: None,
            value: None,
            headers: &[],
        }
    }
}

impl<'a, H> Record<'a, H> {
    /// The key; `None` is null. Records of one key go to one partition: the one that the Java client
    /// chooses, unless another [`Partitioner`](super::Partitioner) is set.
    #[must_use]
    pub fn key(mut self, key: impl NullableBytes<'a>) -> Self {
        self.key = key.into_bytes();
        self
    }

    /// The key, as a partitioner sees it.
    #[must_use]
    pub const fn key_bytes(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// The topic.
    #[must_use]
    pub const fn topic(&self) -> &'a str {
        self.topic
    }

    /// The value. Without one, or with `None`, it is null, which compaction reads as a tombstone.
    #[must_use]
    pub fn value(mut self, value: impl NullableBytes<'a>) -> Self {
        self.value = value.into_bytes();
        self
    }

    /// The partition, instead of the one the partitioner would choose.
    #[must_use]
    pub const fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// The timestamp in milliseconds since 1970, instead of now.
    #[must_use]
    pub const fn timestamp(mut self, timestamp: i64) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// The [`timestamp`](Self::timestamp) as a time. What is finer than a millisecond is cut off.
    #[must_use]
    pub fn time(self, time: SystemTime) -> Self {
        self.timestamp(time::millis(time))
    }

    /// These headers, in order, instead of those before; names may repeat. Nothing is copied.
    #[must_use]
    pub fn headers(self, headers: &'a [Header<'a>]) -> Record<'a> {
        self.with(|_| headers)
    }

    /// The same record with other headers, made from those before.
    fn with<G>(self, headers: impl FnOnce(H) -> G) -> Record<'a, G> {
        Record {
            topic: self.topic,
            partition: self.partition,
            timestamp: self.timestamp,
            key: self.key,
            value: self.value,
            headers: headers(self.headers),
        }
    }
}

impl<'a, H: HeaderList<'a>> Record<'a, H> {
    /// One more header, behind those before it; names may repeat. Up to three allocate nothing.
    #[must_use]
    pub fn header(
        self,
        name: &'a (impl AsRef<[u8]> + ?Sized),
        value: impl NullableBytes<'a>,
    ) -> Record<'a, FewHeaders<'a>> {
        self.with(|headers| {
            let mut few = headers.into_few();
            few.0.push(Header::new(name, value));
            few
        })
    }

    /// The headers so far.
    #[must_use]
    pub fn header_slice(&self) -> &[Header<'a>] {
        self.headers.as_slice()
    }

    /// The same record, which lends its headers from this one.
    #[inline]
    pub(super) fn lend(&self) -> Record<'_> {
        Record {
            topic: self.topic,
            partition: self.partition,
            timestamp: self.timestamp,
            key: self.key,
            value: self.value,
            headers: self.headers.as_slice(),
        }
    }
}

/// The headers of a [`Record`]: a list of the caller's, or the record's own.
pub trait HeaderList<'a> {
    /// The headers, in order.
    fn as_slice(&self) -> &[Header<'a>];

    /// The headers in a list that can grow.
    fn into_few(self) -> FewHeaders<'a>;
}

impl<'a> HeaderList<'a> for &'a [Header<'a>] {
    #[inline]
    fn as_slice(&self) -> &[Header<'a>] {
        self
    }

    fn into_few(self) -> FewHeaders<'a> {
        FewHeaders(SmallVec::from_slice(self))
    }
}

/// So many headers are kept in a record; more are kept on the heap.
const FEW: usize = 3;

/// Headers that a [`Record`] has of its own. The names and values are borrowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FewHeaders<'a>(SmallVec<[Header<'a>; FEW]>);

impl<'a> HeaderList<'a> for FewHeaders<'a> {
    #[inline]
    fn as_slice(&self) -> &[Header<'a>] {
        &self.0
    }

    fn into_few(self) -> Self {
        self
    }
}

impl<'a> FromIterator<Header<'a>> for FewHeaders<'a> {
    fn from_iter<I: IntoIterator<Item = Header<'a>>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
    }
}

/// Where a record was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMetadata {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset; `None` where the broker does not say, as with `acks=0`.
    pub offset: Option<i64>,
    /// The timestamp it was stored with, in milliseconds since 1970.
    pub timestamp: i64,
}

impl RecordMetadata {
    /// The timestamp as a time; `None` where it has none, or one before 1970.
    #[must_use]
    pub fn time(&self) -> Option<SystemTime> {
        time::system_time(self.timestamp)
    }
}

/// No batch has so many records.
pub(super) const NOWHERE: u32 = u32::MAX;

/// Waits for a record to be written. Dropping it changes nothing: the record is still sent.
///
/// # Errors
/// When the record was not written, or it is not known whether it was:
/// [`Error::possibly_written`] tells.
#[derive(Debug)]
#[must_use = "whether the record was written is only known from its delivery"]
pub struct Delivery {
    pub(super) batch: Arc<Completion>,
    pub(super) index: u32,
    /// Where its waker stands among those of the batch; [`NOWHERE`] before it has waited.
    pub(super) waiting_at: u32,
    pub(super) timestamp: i64,
}

impl Future for Delivery {
    type Output = Result<RecordMetadata>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let Poll::Ready(outcome) = this.batch.poll(cx, &mut this.waiting_at) else {
                return Poll::Pending;
            };
            let result = match outcome {
                BatchOutcome::Written(written) => Ok(this.metadata(written)),
                BatchOutcome::Failed(error) => Err(error),
                BatchOutcome::Refused(refusal) => Err(refusal.of_record(this.index)),
                BatchOutcome::Split(parts) => {
                    this.follow(&parts);
                    continue;
                }
            };
            return Poll::Ready(result);
        }
    }
}

impl Delivery {
    fn metadata(&self, written: BatchWritten) -> RecordMetadata {
        let known = written.base_offset >= 0;
        RecordMetadata {
            topic: self.batch.topic.clone(),
            partition: self.batch.partition,
            offset: known.then(|| written.base_offset.saturating_add(self.index.into())),
            timestamp: written.append_time.unwrap_or(self.timestamp),
        }
    }

    /// Goes on with the part of the batch that the record is in.
    fn follow(&mut self, parts: &[Part]) {
        let at = parts.partition_point(|part| part.first <= self.index);
        if let Some(part) = parts.get(at.saturating_sub(1)) {
            self.index -= part.first;
            self.batch = part.completion.clone();
            self.waiting_at = NOWHERE;
        }
    }
}

/// How one batch ends, shared by the deliveries of its records: nothing is allocated per record.
#[derive(Debug)]
pub(super) struct Completion {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    outcome: OnceLock<BatchOutcome>,
    waiting: Mutex<Vec<Waker>>,
}

/// How a batch ended.
#[derive(Debug, Clone)]
pub(super) enum BatchOutcome {
    Written(BatchWritten),
    /// For one reason, all of it.
    Failed(Error),
    /// For some of its records (KIP-467).
    Refused(Arc<Refusal>),
    /// It was too large and went on in parts, in order.
    Split(Arc<[Part]>),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct BatchWritten {
    pub(super) base_offset: i64,
    pub(super) append_time: Option<i64>,
}

/// A part of a batch, from the record with this index on.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) first: u32,
    pub(super) completion: Arc<Completion>,
}

/// Why a batch was refused, where the broker named records.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What is wrong with some records, by their index, in its order.
    pub(super) records: Vec<(u32, Error)>,
    /// What the other records are told.
    pub(super) others: Error,
}

impl Refusal {
    fn of_record(&self, index: u32) -> Error {
        match self.records.binary_search_by_key(&index, |(at, _)| *at) {
            Ok(at) => self
                .records
                .get(at)
                .map_or(&self.others, |(_, e)| e)
                .clone(),
            Err(_) => self.others.clone(),
        }
    }
}

impl Completion {
    pub(super) fn new(topic: Arc<str>, partition: i32) -> Arc<Self> {
        let (outcome, waiting) = (OnceLock::new(), Mutex::default());
        Arc::new(Self {
            topic,
            partition,
            outcome,
            waiting,
        })
    }

    /// `at` is where the waker of this caller stands; each has one, however often it polls.
    fn poll(&self, cx: &Context<'_>, at: &mut u32) -> Poll<BatchOutcome> {
        if let Some(outcome) = self.outcome.get() {
            return Poll::Ready(outcome.clone());
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Set before the wakers are taken, so looking again under the lock cannot miss it.
        if let Some(outcome) = self.outcome.get() {
            return Poll::Ready(outcome.clone());
        }
        match waiting.get_mut(*at as usize) {
            Some(waker) => waker.clone_from(cx.waker()),
            None => {
                *at = waiting.len() as u32;
                waiting.push(cx.waker().clone());
            }
        }
        Poll::Pending
    }

    /// What is being done with the batch, for errors.
    pub(super) fn doing(&self) -> String {
        format!("writing to {}-{}", self.topic, self.partition)
    }

    /// The error of a batch that was not written.
    pub(super) fn given_up(&self) -> Error {
        Error::closed("the producer", self.doing()).about(&self.topic, self.partition)
    }

    pub(super) fn is_finished(&self) -> bool {
        self.outcome.get().is_some()
    }

    pub(super) fn finish(&self, outcome: BatchOutcome) {
        if self.outcome.set(outcome).is_ok() {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.drain(..).for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        task::Wake,
    };

    use super::*;

    struct Ignored;

    impl Wake for Ignored {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_delivery_that_is_polled_often_keeps_one_waker() {
        let batch = Completion::new("t".into(), 0);
        let delivery = |index| Delivery {
            batch: batch.clone(),
            index,
            waiting_at: NOWHERE,
            timestamp: 0,
        };
        let (mut first, mut second) = (delivery(0), delivery(1));
        for _ in 0..100 {
            for delivery in [&mut first, &mut second] {
                let waker = Arc::new(Ignored).into();
                let polled = Pin::new(delivery).poll(&mut Context::from_waker(&waker));
                assert!(polled.is_pending());
            }
        }
        let waiting = batch.waiting.lock().expect("no thread panicked").len();
        assert_eq!(waiting, 2);
    }

    /// Counts how often it is woken.
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// After a split the deliveries of one part come in any order, and each has a waker of its own.
    #[test]
    fn every_delivery_of_a_part_is_woken_whichever_polls_first() {
        let (whole, part) = (
            Completion::new("t".into(), 0),
            Completion::new("t".into(), 0),
        );
        let mut deliveries = [0, 1, 2].map(|index| Delivery {
            batch: whole.clone(),
            index,
            waiting_at: NOWHERE,
            timestamp: 0,
        });
        let woken = [(); 3].map(|()| Arc::new(Woken(AtomicU32::new(0))));
        let mut poll = |n: usize| {
            let waker = Waker::from(woken[n].clone());
            Pin::new(&mut deliveries[n]).poll(&mut Context::from_waker(&waker))
        };
        assert!((0..3).all(|n| poll(n).is_pending()));
        let completion = part.clone();
        whole.finish(BatchOutcome::Split(
            [Part {
                first: 0,
                completion,
            }]
            .into(),
        ));
        assert!((0..3).rev().all(|n| poll(n).is_pending()));
        part.finish(BatchOutcome::Written(BatchWritten {
            base_offset: 0,
            append_time: None,
        }));
        // Once for the split, once for the end.
        assert_eq!(
            woken.each_ref().map(|w| w.0.load(Ordering::Relaxed)),
            [2; 3]
        );
        assert!((0..3).all(|n| poll(n).is_ready()));
    }
}

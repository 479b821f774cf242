//! Which of a topic's queues a record goes to, and when that is asked again.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use ottla_protocol::records::NewRecord;

use super::{
    load::Standing,
    partitioner::{Choice, Partitioner},
    queue::Queue,
    record::Record,
    sticky::Turn,
};
use crate::seeds::Seeds;

/// A topic's partitions, and the one that records without a key go to for now.
#[derive(Debug)]
pub(super) struct TopicQueue {
    /// All that the topic ever had. Those that it lost when it was created again are out of reach, but
    /// what they hold is still sent, and metadata may go back.
    partitions: boxcar::Vec<Arc<Queue>>,
    /// How many it has now.
    count: AtomicUsize,
    sticky: Turn,
    /// How many records went to partitions in turn.
    in_turn: AtomicUsize,
}

/// Where a record goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    topic: &'a TopicQueue,
    pub(super) queue: &'a Arc<Queue>,
    claim: Claim,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// Nowhere else.
    Fixed,
    /// As long as it is this partition's turn.
    Sticky,
}

impl TopicQueue {
    /// A topic of these partitions.
    pub(super) fn new(partitions: Vec<Arc<Queue>>, batch_size: usize, seeds: Seeds) -> Self {
        let loads = partitions.iter().map(|queue| &queue.load);
        Self {
            sticky: Turn::first(loads, batch_size, seeds),
            in_turn: AtomicUsize::new(0),
            count: AtomicUsize::new(partitions.len()),
            partitions: partitions.into_iter().collect(),
        }
    }

    /// Takes in how many partitions it has now. Those that it never had are made, in order; by one
    /// caller at a time.
    pub(super) fn resize(&self, count: usize, new: impl FnMut(usize) -> Arc<Queue>) {
        for queue in (self.partitions.count()..count).map(new) {
            self.partitions.push(queue);
        }
        self.count.store(count, Ordering::Release);
    }

    /// How many partitions it has now.
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// The partitions that it has now.
    fn there(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.all().take(self.count())
    }

    /// All that it ever had.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.partitions.iter().map(|(_, queue)| queue)
    }

    /// The place for a record: its own partition, or the one that the partitioner chooses.
    pub(super) fn choose(
        &self,
        record: &Record<'_>,
        partitioner: &dyn Partitioner,
    ) -> Option<Place<'_>> {
        let count = self.count();
        let (at, claim) = match record.partition {
            Some(partition) => (usize::try_from(partition).ok()?, Claim::Fixed),
            None => match partitioner.choose(record, count) {
                Choice::Partition(at) => (at, Claim::Fixed),
                Choice::Sticky => (self.turn(count), Claim::Sticky),
                Choice::InTurn => (self.in_turn(count), Claim::Fixed),
            },
        };
        (at < count).then(|| self.place(at, claim))?
    }

    /// Whose turn it is among so many partitions: the last one's, if it was that of one that is gone.
    #[inline]
    fn turn(&self, count: usize) -> usize {
        within(self.sticky.partition(), count)
    }

    #[inline]
    fn place(&self, at: usize, claim: Claim) -> Option<Place<'_>> {
        let (topic, queue) = (self, self.partitions.get(at)?);
        Some(Place {
            topic,
            queue,
            claim,
        })
    }

    /// The partition after the last that was returned; those without a leader are passed over, if
    /// others have one.
    fn in_turn(&self, count: usize) -> usize {
        let n = count.max(1);
        let next = || self.in_turn.fetch_add(1, Ordering::Relaxed) % n;
        let led = |at: &usize| {
            let queue = self.partitions.get(*at);
            queue.is_some_and(|q| q.load.standing() != Standing::Leaderless)
        };
        let found = std::iter::repeat_with(next).take(n).find(led);
        found.unwrap_or_else(next)
    }

    /// Ends the turn of a partition, unless somebody else has. Says whose it is now.
    #[cold]
    fn pass_on(&self, partition: usize) -> usize {
        let (turn, count) = (self.sticky.partition(), self.count());
        if within(turn, count) != partition {
            return within(turn, count);
        }
        let loads = self.there().map(|queue| &queue.load);
        within(self.sticky.pass_on(turn, loads), count)
    }
}

/// The same partition, or the last one.
const fn within(partition: usize, count: usize) -> usize {
    if partition < count {
        partition
    } else {
        count.saturating_sub(1)
    }
}

impl<'a> Place<'a> {
    /// Counts what its partition was given.
    #[inline]
    pub(super) fn give(self, bytes: usize) {
        if self.claim == Claim::Sticky && self.topic.sticky.give(bytes) {
            self.topic.pass_on(self.queue.at());
        }
    }

    /// Where else a record must go that would begin a batch here: it is another partition's turn.
    pub(super) fn next(self, record: &NewRecord<'_>) -> Option<Self> {
        if self.claim == Claim::Fixed {
            return None;
        }
        let (topic, here) = (self.topic, self.queue.at());
        let next = match topic.turn(topic.count()) {
            at if at != here => at,
            _ if topic.sticky.ends(&self.queue.load, record.batch_size()) => topic.pass_on(here),
            _ => here,
        };
        let elsewhere = (next != here).then_some(next)?;
        topic.place(elsewhere, Claim::Sticky)
    }
}

#[cfg(test)]
mod tests {
    use ottla_core::cluster::{Partition, Topic};

    use super::*;
    use crate::producer::{Partitioning, accumulator::Accumulator, memory::Memory};

    const BATCH: usize = 1000;

    fn accumulator() -> Accumulator {
        let memory = Arc::new(Memory::new(1 << 24, BATCH, 0));
        Accumulator::new(memory, BATCH, Seeds::from(1))
    }

    fn topic(leaders: impl IntoIterator<Item = i32>) -> Topic {
        let partition = |leader| Partition {
            leader,
            ..Partition::default()
        };
        Topic {
            name: "t".into(),
            id: uuid::Uuid::nil(),
            internal: false,
            partitions: leaders.into_iter().map(partition).collect(),
        }
    }

    /// Appends a record that takes about so many bytes, and says where.
    fn send(to: &Accumulator, topic: &TopicQueue, size: usize, how: Partitioning) -> i32 {
        let value = vec![b'x'; size - 8];
        let record = Record::to("t").value(&value);
        let new = NewRecord {
            timestamp: 0,
            key: None,
            value: Some(&value),
            headers: &[],
        };
        let place = topic.choose(&record, &how).expect("it has partitions");
        let appended = to.append(place, &new, 0);
        appended
            .expect("there is memory, and it is open")
            .batch
            .partition
    }

    /// Takes what a partition has; its open batch too, if it has lingered.
    fn take(topic: &TopicQueue, partition: i32, lingered: bool) -> Vec<usize> {
        let mut sizes = Vec::new();
        let queue = &topic.partitions[partition as usize];
        queue.take(|_| lingered, |filling| sizes.push(filling.builder.size()));
        sizes
    }

    #[test]
    fn sticky_records_leave_full_batches_and_one_open() {
        let to = accumulator();
        let topic = to.add_topic(&topic([1; 8]));
        for _ in 0..2000 {
            send(&to, topic, 100, Partitioning::Random);
        }
        let full: Vec<_> = (0..8).map(|n| take(topic, n, false)).collect();
        assert!(full.iter().filter(|sizes| !sizes.is_empty()).count() > 4);
        let sizes = full.into_iter().flatten();
        assert!(sizes.into_iter().all(|size| size > BATCH - 110));
        let open: usize = (0..8).map(|n| take(topic, n, true).len()).sum();
        assert!(open <= 1, "{open} are half full");
    }

    /// A batch that was sent half full does not make the next one less than half full.
    #[test]
    fn a_turn_does_not_end_in_the_middle_of_a_batch_that_lingers() {
        let to = accumulator();
        let topic = to.add_topic(&topic([1; 50]));
        let send = |size| send(&to, topic, size, Partitioning::Random);
        let first = send(500);
        assert_eq!(take(topic, first, true).len(), 1);
        for size in [300; 3] {
            assert_eq!(send(size), first);
        }
        assert_eq!(take(topic, first, true).len(), 1);
        assert_ne!(send(700), first);
    }

    #[test]
    fn a_turn_ends_with_the_batch_that_many_small_records_fill() {
        let to = accumulator();
        let topic = to.add_topic(&topic([1; 50]));
        let next = || send(&to, topic, 100, Partitioning::Random);
        let first = next();
        let others = std::iter::repeat_with(next).take_while(|at| *at == first);
        assert_eq!(others.count(), 8, "nine fit into a batch");
    }

    #[test]
    fn records_that_belong_elsewhere_end_no_turn() {
        let to = accumulator();
        let topic = to.add_topic(&topic([1; 50]));
        let first = send(&to, topic, 500, Partitioning::Random);
        assert_eq!(take(topic, first, true).len(), 1);
        for _ in 0..50 {
            send(&to, topic, 100, Partitioning::RoundRobin);
        }
        assert_eq!(take(topic, first, true).len(), 1);
        assert_eq!(send(&to, topic, 300, Partitioning::Random), first);
    }

    #[test]
    fn not_even_the_first_record_goes_where_no_leader_is() {
        for how in [Partitioning::Random, Partitioning::RoundRobin] {
            let to = accumulator();
            let leaders = (0..50).map(|at| if at == 30 { 1 } else { -1 });
            let topic = to.add_topic(&topic(leaders));
            assert_eq!(send(&to, topic, 100, how), 30);
        }
    }

    #[test]
    fn turns_pass_over_partitions_without_a_leader() {
        let to = accumulator();
        let in_turn = |leaders: [i32; 4]| {
            let topic = to.add_topic(&topic(leaders));
            to.judge(|queue| {
                Standing::of(&Partition {
                    leader: leaders[queue.at()],
                    ..Partition::default()
                })
            });
            let next = || send(&to, topic, 100, Partitioning::RoundRobin);
            std::iter::repeat_with(next).take(6).collect::<Vec<_>>()
        };
        assert_eq!(in_turn([1, -1, 3, 1]), [0, 2, 3, 0, 2, 3]);
        assert_eq!(in_turn([1, 2, 3, 1]), [0, 1, 2, 3, 0, 1]);
        assert_eq!(in_turn([-1; 4]), [2, 3, 0, 1, 2, 3]);
    }

    #[test]
    fn a_topic_made_anew_with_fewer_partitions_gets_records_for_those_only() {
        let to = accumulator();
        let topic_now = to.add_topic(&topic([1; 40]));
        let last = topic_now.partitions[39].clone();
        to.fit(&topic([1; 2]), topic_now);
        for _ in 0..100 {
            assert!(send(&to, topic_now, 500, Partitioning::Random) < 2);
            assert!(send(&to, topic_now, 500, Partitioning::RoundRobin) < 2);
        }
        let third = Record::to("t").partition(2);
        assert!(topic_now.choose(&third, &Partitioning::Random).is_none());
        // Metadata may go back: there is never another queue of the same partition.
        to.fit(&topic([1; 40]), topic_now);
        assert!(topic_now.choose(&third, &Partitioning::Random).is_some());
        assert!(Arc::ptr_eq(&last, &topic_now.partitions[39]));
        assert_eq!(topic_now.all().count(), 40);
    }

    /// The turn goes round among the partitions that are left, also when it was at one of the others.
    #[test]
    fn turns_go_on_in_a_topic_that_was_created_again_with_fewer_partitions() {
        let to = accumulator();
        let topic_now = to.add_topic(&topic([1; 40]));
        while send(&to, topic_now, 900, Partitioning::Random) < 3 {}
        to.fit(&topic([1; 3]), topic_now);
        let next = || send(&to, topic_now, 900, Partitioning::Random);
        let mut seen = [0; 3];
        (0..300).for_each(|_| seen[next() as usize] += 1);
        assert!(seen.iter().all(|n| *n > 20), "{seen:?}");
    }

    /// The caller that uses a topic first may have looked it up before it grew.
    #[test]
    fn older_knowledge_takes_no_partition_away() {
        let to = accumulator();
        let topic_now = to.add_topic(&topic([1; 2]));
        to.fit(&topic([1; 4]), topic_now);
        assert_eq!(to.add_topic(&topic([1; 2])).count(), 4);
    }

    #[test]
    fn a_topic_that_grows_goes_on_where_it_was() {
        let to = accumulator();
        let topic_now = to.add_topic(&topic([1; 2]));
        let first = send(&to, topic_now, 500, Partitioning::Random);
        assert_eq!(send(&to, topic_now, 100, Partitioning::RoundRobin), 0);
        to.add_topic(&topic([1; 40]));
        assert_eq!(send(&to, topic_now, 100, Partitioning::Random), first);
        assert_eq!(send(&to, topic_now, 100, Partitioning::RoundRobin), 1);
        assert_eq!(send(&to, topic_now, 100, Partitioning::RoundRobin), 2);
        let next = || send(&to, topic_now, 900, Partitioning::Random);
        assert!(std::iter::repeat_with(next).take(20).any(|n| n > 2));
    }
}

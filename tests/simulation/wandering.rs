//! A consumer that never stays: it assigns, seeks, pauses, resumes, gives partitions back, is
//! dropped, and begins again.

use std::{collections::BTreeMap, time::Duration};

use ottla::{Consumer, ErrorKind, Reset, Start};
use tokio::time::{sleep, timeout};

use crate::world::{World, number, place};

/// What the consumer must do next with a partition.
#[derive(Debug, Clone, Copy)]
struct Reading {
    /// The offset that comes next, where it is known.
    next: Option<i64>,
    paused: bool,
}

/// Wanders until the run is over.
pub(crate) async fn wander(world: World) {
    while !world.over() {
        match consumer(&world).await {
            Ok(consumer) => Wanderer::new(&world, consumer).live().await,
            Err(error) => world.faults.note(format!("no wanderer: {error}")),
        }
        sleep(world.faults.up_to(Duration::from_secs(1))).await;
    }
}

async fn consumer(world: &World) -> ottla::Result<Consumer> {
    let reading = &world.plan.reading;
    let wait = reading.max_wait.as_millis().to_string();
    let queue = reading.queue_kib.to_string();
    let builder = Consumer::builder(world.other_client()).reset(Reset::None);
    let builder = builder.set("fetch.max.wait.ms", &wait);
    builder
        .set("queued.max.messages.kbytes", &queue)
        .build()
        .await
}

struct Wanderer<'a> {
    world: &'a World,
    consumer: Consumer,
    assigned: BTreeMap<i32, Reading>,
}

impl<'a> Wanderer<'a> {
    fn new(world: &'a World, consumer: Consumer) -> Self {
        Self {
            world,
            consumer,
            assigned: BTreeMap::new(),
        }
    }

    /// Does this and that. One time in two it is dropped in the middle of it; otherwise it gives all
    /// partitions back, and then nothing stays charged.
    async fn live(mut self) {
        for _ in 0..10 + self.world.faults.below(30) {
            if self.world.over() {
                break;
            }
            self.act().await;
            self.read().await;
        }
        if !self.world.over() && self.world.faults.below(2) == 0 {
            return;
        }
        for (partition, _) in std::mem::take(&mut self.assigned) {
            let (topic, of_it) = place(partition);
            let given_back = self.consumer.unassign(topic, of_it);
            self.expect("unassign", &given_back);
        }
        // What was on its way comes to nothing while the consumer is asked for more.
        for _ in 0..5 {
            self.expect_nothing().await;
            sleep(Duration::from_secs(1)).await;
        }
        self.expect_nothing().await;
        let charged = self.consumer.queued_bytes();
        if charged != 0 {
            self.world
                .wrong(format!("{charged} bytes of the wanderer stay charged"));
        }
    }

    /// An error at once: nothing can come, and nobody could assign anything while the consumer waits.
    async fn expect_nothing(&mut self) {
        let read = timeout(Duration::ZERO, self.consumer.recv()).await;
        if !matches!(&read, Ok(Err(error)) if *error.kind() == ErrorKind::NothingAssigned) {
            self.world
                .wrong(format!("{read:?} comes, but nothing is assigned"));
        }
    }

    async fn act(&mut self) {
        let partition = self.world.faults.below(self.world.plan.partitions as usize) as i32;
        let (topic, of_it) = place(partition);
        let to = self.somewhere(partition);
        let offset = match to {
            Start::Offset(offset) => Some(offset),
            _ => None,
        };
        let Some(reading) = self.assigned.get(&partition).copied() else {
            match self.consumer.assign(topic, of_it, to).await {
                Ok(()) => drop(self.assigned.insert(
                    partition,
                    Reading {
                        next: offset,
                        paused: false,
                    },
                )),
                Err(error) => self.world.faults.note(format!("not assigned: {error}")),
            }
            return;
        };
        match self.world.faults.below(6) {
            0 => {
                let given_back = self.consumer.unassign(topic, of_it);
                self.expect("unassign", &given_back);
                self.assigned.remove(&partition);
            }
            1 | 2 => self.seek(partition, to),
            _ => {
                let done = match reading.paused {
                    true => self.consumer.resume(topic, of_it),
                    false => self.consumer.pause(topic, of_it),
                };
                self.expect("pause or resume", &done);
                let paused = !reading.paused;
                self.assigned
                    .insert(partition, Reading { paused, ..reading });
            }
        }
    }

    fn seek(&mut self, partition: i32, to: Start) {
        let (topic, of_it) = place(partition);
        let done = self.consumer.seek(topic, of_it, to);
        self.expect("seek", &done);
        if let Some(reading) = self.assigned.get_mut(&partition) {
            reading.next = match to {
                Start::Offset(offset) => Some(offset),
                _ => None,
            };
        }
    }

    /// A place in what the other consumer has read, or an end of the log.
    fn somewhere(&self, partition: i32) -> Start {
        let read = self.world.position(partition);
        match self.world.faults.below(4) {
            0 => Start::Earliest,
            1 => Start::Latest,
            _ => Start::Offset(self.world.faults.below(read as usize + 1) as i64),
        }
    }

    async fn read(&mut self) {
        for _ in 0..self.world.faults.below(40) {
            let wait = self.world.faults.up_to(Duration::from_millis(400));
            match timeout(wait, self.consumer.recv()).await {
                Err(_) => return,
                Ok(Ok(record)) => {
                    let partition = number(&record.topic, record.partition);
                    let value = record.value.unwrap_or_default();
                    self.world.keep_wandered(partition, record.offset, value);
                    self.hold(partition, record.offset);
                }
                Ok(Err(error)) if *error.kind() == ErrorKind::NothingAssigned => {
                    if !self.assigned.is_empty() {
                        self.world
                            .wrong(format!("{:?} are assigned: {error}", self.assigned));
                    }
                    sleep(wait).await;
                }
                Ok(Err(error)) => {
                    self.world
                        .faults
                        .note(format!("the wanderer is told: {error}"));
                    // It may stand outside of the log.
                    if let Some((topic, of_it)) = error.topic().zip(error.partition()) {
                        let partition = number(topic, of_it);
                        if self.assigned.contains_key(&partition) && error.code().is_some() {
                            self.seek(partition, Start::Earliest);
                        }
                    }
                }
            }
        }
    }

    /// What comes is of a partition that is assigned and not paused, and is the next of it.
    fn hold(&mut self, partition: i32, offset: i64) {
        let Some(reading) = self.assigned.get_mut(&partition) else {
            return self
                .world
                .wrong(format!("{partition} is not assigned, and read at {offset}"));
        };
        let before = *reading;
        reading.next = Some(offset + 1);
        if before.paused || before.next.is_some_and(|next| next != offset) {
            self.world.wrong(format!(
                "{partition} is read at {offset}, but it is {before:?}"
            ));
        }
    }

    fn expect(&self, what: &str, done: &ottla::Result<()>) {
        if let Err(error) = done {
            self.world.wrong(format!("{what}: {error}"));
        }
    }
}

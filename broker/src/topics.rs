//! Topics and their partitions: who leads them, and what is in them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use ottla_protocol::{ErrorCode, messages::LeaderIdAndEpoch, records::RawBatch};
use uuid::Uuid;

use crate::{
    log::Log,
    producers::Verdict,
    replicas::{Following, Replicas},
    topic_config::TopicConfig,
    waiters::Waiters,
};

/// No leader: all replicas are down.
pub(crate) const NO_LEADER: i32 = -1;

/// A topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: Arc<str>,
    pub(crate) id: Uuid,
    pub(crate) config: Arc<TopicConfig>,
    pub(crate) partitions: Vec<Partition>,
}

/// A partition.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
    /// The brokers that have a replica; the first is preferred as the leader.
    pub(crate) brokers: Vec<i32>,
    /// Those of them that count for the high watermark.
    pub(crate) in_sync: Vec<i32>,
    pub(crate) log: Log,
    pub(crate) replicas: Replicas,
    pub(crate) waiters: Waiters,
}

impl Topic {
    /// The partition of this index.
    pub(crate) fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    /// As [`partition`](Self::partition), to be changed.
    pub(crate) fn partition_mut(&mut self, index: i32) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::try_from(index).ok()?)
    }
}

impl Partition {
    /// A new partition, led by its first replica.
    pub(crate) fn new(brokers: Vec<i32>) -> Self {
        Self {
            leader: brokers.first().copied().unwrap_or(NO_LEADER),
            leader_epoch: 0,
            in_sync: brokers.clone(),
            replicas: Replicas::new(&brokers),
            brokers,
            log: Log::default(),
            waiters: Waiters::default(),
        }
    }

    /// Makes another broker the leader, or none: what it had not copied is lost. Whoever waits
    /// learns of it.
    pub(crate) fn lead(&mut self, leader: i32) {
        if self.leader != leader {
            self.leader = leader;
            self.leader_epoch += 1;
            self.replicas.truncate(leader, &mut self.log);
            self.replicate();
        }
    }

    /// The replica on this broker goes down. The last one stays in sync, since it has everything.
    pub(crate) fn stop(&mut self, broker: i32) {
        self.replicas.follow(broker, Following::Down);
        if self.in_sync.len() > 1 {
            self.in_sync.retain(|id| *id != broker);
        }
        self.replicate();
    }

    /// The replica on this broker follows so from now on.
    pub(crate) fn follow(&mut self, broker: i32, following: Following) {
        self.replicas.follow(broker, following);
        self.replicate();
    }

    /// The replica on this broker starts over with nothing, as on a new disk.
    pub(crate) fn replace(&mut self, broker: i32) {
        self.replicas.replace(broker);
        self.in_sync.retain(|id| *id != broker);
        self.replicate();
    }

    /// Lets followers copy what is new; who caught up is in sync. Whoever waits learns of it.
    fn replicate(&mut self) {
        self.waiters.wake();
        if self.leader == NO_LEADER {
            return;
        }
        let Self { replicas, log, .. } = self;
        replicas.copy(self.leader, log);
        let stays = |id: &i32| self.in_sync.contains(id) || replicas.is_caught_up(*id, log);
        self.in_sync = self.brokers.iter().copied().filter(stays).collect();
        if let Some(end) = replicas.common_end(&self.in_sync) {
            log.commit(end);
        }
    }

    /// Whether a client that believes in this leader epoch may go on here (KIP-320).
    pub(crate) fn check_leader(&self, broker: i32, epoch: i32) -> Result<(), ErrorCode> {
        match epoch {
            0.. if epoch < self.leader_epoch => Err(ErrorCode::FENCED_LEADER_EPOCH),
            0.. if epoch > self.leader_epoch => Err(ErrorCode::UNKNOWN_LEADER_EPOCH),
            _ if broker != self.leader => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
            _ => Ok(()),
        }
    }

    /// Who leads it, for a client that asked the wrong broker (KIP-951).
    /// Whether a consumer at this offset may be sent to this broker instead of the leader: it follows
    /// in sync, and has the offset.
    pub(crate) fn is_nearer(&self, broker: i32, offset: i64) -> bool {
        broker != self.leader
            && self.in_sync.contains(&broker)
            && (self.log.start()..=self.replicas.end(broker)).contains(&offset)
    }

    pub(crate) const fn current_leader(&self) -> LeaderIdAndEpoch {
        LeaderIdAndEpoch {
            leader_id: self.leader,
            leader_epoch: self.leader_epoch,
        }
    }

    /// Whether a producer's batch is the next one.
    pub(crate) fn judge(&self, batch: &RawBatch) -> Verdict {
        match batch.header().producer_id {
            0.. => self.replicas.judge(self.leader, batch.header()),
            _ => Verdict::Append,
        }
    }

    /// Appends a batch at the end of the log; returns the offset it got.
    pub(crate) fn append(&mut self, batch: &RawBatch, config: &TopicConfig, now_ms: i64) -> i64 {
        let append_time = config.append_time.then_some(now_ms);
        let placed = batch.placed(self.log.end(), self.leader_epoch, append_time);
        let offset = placed.header().base_offset;
        self.log.append(placed, now_ms);
        self.replicate();
        offset
    }

    /// Appends a batch that somebody made with care: past the end of the log it stays where it is.
    pub(crate) fn append_ready_made(&mut self, batch: &RawBatch, now_ms: i64) -> i64 {
        let offset = batch.header().base_offset.max(self.log.end());
        self.log
            .append(batch.placed(offset, self.leader_epoch, None), now_ms);
        self.replicate();
        offset
    }
}

/// All topics, by name and by id.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    by_name: BTreeMap<Arc<str>, Topic>,
    names: HashMap<Uuid, Arc<str>>,
}

impl Topics {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Topic> {
        self.by_name.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Topic> {
        self.by_name.values_mut()
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Topic> {
        self.by_name.get(name)
    }

    pub(crate) fn named_mut(&mut self, name: &str) -> Option<&mut Topic> {
        self.by_name.get_mut(name)
    }

    pub(crate) fn with_id(&self, id: Uuid) -> Option<&Topic> {
        self.named(self.names.get(&id)?)
    }

    /// The topic that a request names: by id where there is one, by name where there is none.
    pub(crate) fn asked(&self, name: &str, id: Uuid) -> Result<&Topic, ErrorCode> {
        if id.is_nil() {
            self.named(name)
                .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
        } else {
            self.with_id(id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)
        }
    }

    /// As [`asked`](Self::asked), to be changed.
    pub(crate) fn asked_mut(&mut self, name: &str, id: Uuid) -> Result<&mut Topic, ErrorCode> {
        if id.is_nil() {
            let topic = self.by_name.get_mut(name);
            return topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        let topic = self
            .names
            .get(&id)
            .and_then(|name| self.by_name.get_mut(name));
        topic.ok_or(ErrorCode::UNKNOWN_TOPIC_ID)
    }

    pub(crate) fn insert(&mut self, topic: Topic) {
        self.names.insert(topic.id, topic.name.clone());
        self.by_name.insert(topic.name.clone(), topic);
    }

    /// Removes a topic; whoever waits for it learns of it.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Topic> {
        let mut topic = self.by_name.remove(name)?;
        self.names.remove(&topic.id);
        for partition in &mut topic.partitions {
            partition.waiters.wake();
        }
        Some(topic)
    }
}

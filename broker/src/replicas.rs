//! The replicas of a partition: how far each has copied the log of the leader, and which producers
//! it knows from what it copied.
//!
//! ```text
//!   leader:    [ batch | batch | batch | batch ]     the one log that is kept
//!   follower:  [ batch | batch | batch ]             a beginning of it
//!                              ^ high watermark: all replicas in sync are as far
//! ```
//!
//! Followers copy at once, unless they are stalled or down. A replica that comes to lead cuts the
//! log off where its own ends. One whose end was deleted meanwhile starts over with what is left,
//! and knows only the producers of that (KAFKA-15591).

use std::collections::BTreeMap;

use ottla_protocol::records::BatchHeader;

use crate::{
    log::Log,
    producers::{Producers, Verdict},
};

/// The replicas of one partition, by broker.
#[derive(Debug)]
pub(crate) struct Replicas(BTreeMap<i32, Replica>);

#[derive(Debug, Default)]
struct Replica {
    /// It has the log up to here.
    end: i64,
    producers: Producers,
    following: Following,
}

/// Whether a follower copies what the leader has.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Following {
    #[default]
    AtOnce,
    /// It runs, but copies nothing for now.
    Stalled,
    /// Its broker does not run.
    Down,
}

impl Replicas {
    /// Empty ones on these brokers.
    pub(crate) fn new(brokers: &[i32]) -> Self {
        Self(brokers.iter().map(|id| (*id, Replica::default())).collect())
    }

    pub(crate) fn contains(&self, broker: i32) -> bool {
        self.0.contains_key(&broker)
    }

    /// Up to which offset the replica on this broker has the log.
    pub(crate) fn end(&self, broker: i32) -> i64 {
        self.0.get(&broker).map_or(0, |replica| replica.end)
    }

    /// From now on the follower on this broker copies so.
    pub(crate) fn follow(&mut self, broker: i32, following: Following) {
        if let Some(replica) = self.0.get_mut(&broker) {
            replica.following = following;
        }
    }

    /// Forgets all that the replica on this broker has, as if it got a new disk.
    pub(crate) fn replace(&mut self, broker: i32) {
        if let Some(replica) = self.0.get_mut(&broker) {
            replica.end = 0;
            replica.producers = Producers::default();
        }
    }

    /// Judges a batch of an idempotent producer by what the leader knows.
    pub(crate) fn judge(&self, leader: i32, header: &BatchHeader) -> Verdict {
        let leader = self.0.get(&leader);
        leader.map_or(Verdict::Append, |l| l.producers.judge(header))
    }

    /// Lets the leader, and the followers that do so at once, copy what is new in the log.
    pub(crate) fn copy(&mut self, leader: i32, log: &Log) {
        for (broker, replica) in &mut self.0 {
            if *broker == leader || replica.following == Following::AtOnce {
                replica.copy(log);
            }
        }
    }

    /// Whether this replica runs and has the whole log.
    pub(crate) fn is_caught_up(&self, broker: i32, log: &Log) -> bool {
        let replica = self.0.get(&broker);
        replica.is_some_and(|r| r.following != Following::Down && r.end == log.end())
    }

    /// The offset up to which all of these have the log.
    pub(crate) fn common_end(&self, brokers: &[i32]) -> Option<i64> {
        let replicas = brokers.iter().filter_map(|id| self.0.get(id));
        replicas.map(|r| r.end).min()
    }

    /// Makes the log end where that of the new leader does.
    pub(crate) fn truncate(&mut self, leader: i32, log: &mut Log) {
        let Some(leader) = self.0.get(&leader) else {
            return;
        };
        let (end, producers) = (leader.end, leader.producers.clone());
        log.truncate(end);
        for replica in self.0.values_mut().filter(|r| r.end > end) {
            replica.end = end;
            replica.producers = producers.clone();
        }
    }

    /// Forgets the producers that have not written for so long.
    pub(crate) fn expire(&mut self, after_ms: i64, now_ms: i64) {
        for replica in self.0.values_mut() {
            replica.producers.expire(after_ms, now_ms);
        }
    }
}

impl Replica {
    fn copy(&mut self, log: &Log) {
        if self.end < log.start() {
            self.producers = Producers::default();
        }
        for (batch, appended_ms) in log.since(self.end) {
            self.producers.remember(batch.header(), appended_ms);
        }
        self.end = log.end();
    }
}

//! What of a metadata answer is believed of one topic.

use std::sync::Arc;

use ottla_protocol::messages::{MetadataPartition, MetadataTopic};

use super::{
    Cluster, Partition, REWINDS_BELIEVED, Topic, TopicError, Topology, UNKNOWN_TOPIC_ANSWERS,
};

impl Cluster {
    pub(super) fn take_topic(&mut self, next: &mut Topology, topic: &MetadataTopic) {
        let Some(name) = topic.name.clone().filter(|name| self.wanted.contains(name)) else {
            return;
        };
        if !topic.error_code.is_ok() {
            let times = next.errors.get(&name).map_or(0, |e| e.times) + 1;
            if times >= UNKNOWN_TOPIC_ANSWERS && !next.topics.contains_key(&name) {
                self.wanted.remove(&name);
            }
            let code = topic.error_code;
            next.errors.insert(name, TopicError { code, times });
            return;
        }
        next.errors.remove(&name);
        let old = next.topics.get(&name).cloned();
        // Brokers that do not know ids yet answer with zero; that does not undo an id (rule 17).
        let same = old
            .filter(|old| old.id == topic.topic_id || topic.topic_id.is_nil() || old.id.is_nil());
        let id = match &same {
            Some(old) if topic.topic_id.is_nil() => old.id,
            _ => topic.topic_id,
        };
        let partitions = self.merge_partitions(&name, same.as_deref(), topic);
        if let Some(old) = next.topics.get(&name).filter(|old| old.id != id) {
            next.ids.remove(&old.id);
        }
        if !id.is_nil() {
            next.ids.insert(id, name.clone());
        }
        let topic = Topic {
            name: name.clone(),
            id,
            internal: topic.is_internal,
            partitions,
        };
        next.topics.insert(name, Arc::new(topic));
    }

    /// The partitions of an answer over those that were known. A partition that the answer leaves out
    /// keeps its leader and epoch: the answer may be an older one, and without an epoch the brokers
    /// fence nothing (rules 15, 16).
    fn merge_partitions(
        &mut self,
        name: &Arc<str>,
        old: Option<&Topic>,
        topic: &MetadataTopic,
    ) -> Vec<Partition> {
        let known = old.map_or(0, |old| old.partitions.len());
        // No number is believed beyond the count, so that an answer cannot make 2 billion partitions.
        let limit = known.max(topic.partitions.len());
        let answered = topic.partitions.iter().filter_map(|p| {
            let at = usize::try_from(p.partition_index).ok();
            Some((at.filter(|at| *at <= limit)?, p))
        });
        let answered: Vec<_> = answered.collect();
        let count = answered.iter().map(|(at, _)| at + 1).max().unwrap_or(0);
        // Without ids a topic with fewer partitions may be one that was created again.
        let keeps_all = old.is_some_and(|old| !old.id.is_nil() && old.id == topic.topic_id);
        let count = if keeps_all { count.max(known) } else { count };
        let before = |at: usize| old.and_then(|old| old.partitions.get(at));
        let mut partitions: Vec<_> = (0..count)
            .map(|at| before(at).cloned().unwrap_or_default())
            .collect();
        for (at, answer) in answered {
            let merged = self.merge(name, before(at), answer);
            if let Some(place) = partitions.get_mut(at) {
                *place = merged;
            }
        }
        partitions
    }

    /// A partition as an answer has it, or as it was before where the answer is older.
    fn merge(
        &mut self,
        topic: &Arc<str>,
        old: Option<&Partition>,
        new: &MetadataPartition,
    ) -> Partition {
        let fresh = Partition {
            leader: new.leader_id,
            leader_epoch: new.leader_epoch,
            replicas: new.replica_nodes.clone(),
            isr: new.isr_nodes.clone(),
            offline: new.offline_replicas.clone(),
            error: new.error_code,
        };
        let Some(old) = old else {
            self.attempts.reset();
            return fresh;
        };
        // An epoch of -1 is "no leader" or an old broker; taking it would turn fencing off.
        if fresh.leader_epoch < 0 && old.leader_epoch >= 0 {
            return Partition {
                leader_epoch: old.leader_epoch,
                ..fresh
            };
        }
        let key = (topic.clone(), new.partition_index);
        if fresh.leader_epoch >= old.leader_epoch {
            self.rewinds.remove(&key);
            if fresh.leader != old.leader {
                // The search had an end: the next one begins with the shortest wait.
                self.attempts.reset();
            }
            return fresh;
        }
        let rewinds = self.rewinds.entry(key).or_default();
        *rewinds += 1;
        if *rewinds < REWINDS_BELIEVED {
            old.clone()
        } else {
            fresh
        }
    }
}

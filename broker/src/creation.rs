//! Makes topics, or says with Kafka's error codes why not.

use std::{collections::BTreeSet, sync::Arc};

use ottla_protocol::{ErrorCode, messages::CreatableTopic};

use crate::{
    settings::Settings,
    state::State,
    topic_config::TopicConfig,
    topics::{Partition, Topic},
};

/// The most partitions that one request may ask for, over all its topics, as in Kafka.
pub(crate) const MAX_PARTITIONS: i32 = 10_000;
const MAX_NAME: usize = 249;

/// Why a topic cannot be made.
pub(crate) type Refusal = (ErrorCode, String);

/// A topic that could be made.
#[derive(Debug)]
pub(crate) struct Plan {
    name: Arc<str>,
    pub(crate) config: TopicConfig,
    pub(crate) replicas: Vec<Vec<i32>>,
}

impl Plan {
    /// Holds what is asked against what is there.
    pub(crate) fn new(
        asked: &CreatableTopic,
        state: &State,
        settings: &Settings,
    ) -> Result<Self, Refusal> {
        check_new_name(&asked.name, state)?;
        let set = asked.configs.iter().map(|c| (&*c.name, c.value.as_deref()));
        let config = TopicConfig::new(settings, set).map_err(|e| (ErrorCode::INVALID_CONFIG, e))?;
        let replicas = if asked.assignments.is_empty() {
            spread(asked, state, settings)?
        } else {
            assigned(asked, state)?
        };
        let name = asked.name.clone();
        Ok(Self {
            name,
            config,
            replicas,
        })
    }

    /// Makes the topic.
    pub(crate) fn carry_out(self, state: &mut State) {
        let id = state.next_topic_id();
        state.topics.insert(Topic {
            name: self.name,
            id,
            config: Arc::new(self.config),
            partitions: self.replicas.into_iter().map(Partition::new).collect(),
        });
    }
}

/// Whether Kafka takes this name for a topic.
pub(crate) fn check_name(name: &str) -> Result<(), Refusal> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let wrong = match name {
        "" => "the name is empty",
        "." | ".." => "the name is . or ..",
        _ if name.len() > MAX_NAME => "the name is longer than 249 characters",
        _ if !name.bytes().all(legal) => {
            "the name has other characters than letters, digits, '.', '_' and '-'"
        }
        _ => return Ok(()),
    };
    Err((ErrorCode::INVALID_TOPIC_EXCEPTION, wrong.to_owned()))
}

fn check_new_name(name: &str, state: &State) -> Result<(), Refusal> {
    check_name(name)?;
    if state.topics.named(name).is_some() {
        let message = format!("topic {name} exists");
        return Err((ErrorCode::TOPIC_ALREADY_EXISTS, message));
    }
    // Metrics spell both characters alike, so Kafka refuses two topics that differ in nothing else.
    let alike = |(a, b): (u8, u8)| a == b || (b"._".contains(&a) && b"._".contains(&b));
    let like =
        |other: &str| other.len() == name.len() && other.bytes().zip(name.bytes()).all(alike);
    match state.topics.iter().find(|t| like(&t.name)) {
        None => Ok(()),
        Some(other) => {
            let message = format!("topic {name} collides with {}", other.name);
            Err((ErrorCode::INVALID_TOPIC_EXCEPTION, message))
        }
    }
}

/// Replicas where nothing was said about which brokers have them; -1 is the broker's default.
fn spread(
    asked: &CreatableTopic,
    state: &State,
    settings: &Settings,
) -> Result<Vec<Vec<i32>>, Refusal> {
    let partitions = match asked.num_partitions {
        -1 => settings.num_partitions,
        n => n,
    };
    if !(1..=MAX_PARTITIONS).contains(&partitions) {
        let message = format!("{partitions} partitions are not between 1 and {MAX_PARTITIONS}");
        return Err((ErrorCode::INVALID_PARTITIONS, message));
    }
    let replicas = match asked.replication_factor {
        -1 => settings.default_replication_factor,
        n => n,
    };
    let running = state.running().count();
    if replicas < 1 || replicas as usize > running {
        let message = format!("{replicas} replicas cannot be had of {running} running brokers");
        return Err((ErrorCode::INVALID_REPLICATION_FACTOR, message));
    }
    Ok(state.spread(partitions as usize, replicas as usize))
}

/// Replicas as the request says them.
fn assigned(asked: &CreatableTopic, state: &State) -> Result<Vec<Vec<i32>>, Refusal> {
    if asked.num_partitions != -1 || asked.replication_factor != -1 {
        let message = "with assignments, partitions and replication factor must be -1".to_owned();
        return Err((ErrorCode::INVALID_REQUEST, message));
    }
    let mut assignments: Vec<_> = asked.assignments.iter().collect();
    assignments.sort_by_key(|a| a.partition_index);
    let invalid = |why: String| (ErrorCode::INVALID_REPLICA_ASSIGNMENT, why);
    for (expected, assignment) in (0..).zip(&assignments) {
        let (index, brokers) = (assignment.partition_index, &assignment.broker_ids);
        if index != expected {
            return Err(invalid(
                "the partitions are not numbered from 0 without gaps".to_owned(),
            ));
        }
        if brokers.is_empty() || brokers.len() != assignments[0].broker_ids.len() {
            return Err(invalid(format!(
                "partition {index} has {} replicas",
                brokers.len()
            )));
        }
        if brokers.iter().collect::<BTreeSet<_>>().len() < brokers.len() {
            return Err(invalid(format!("partition {index} has a broker twice")));
        }
        let known = |id| state.running().any(|b| b.id == id);
        if let Some(id) = brokers.iter().find(|id| !known(**id)) {
            return Err(invalid(format!(
                "broker {id} of partition {index} does not run"
            )));
        }
    }
    Ok(assignments.iter().map(|a| a.broker_ids.clone()).collect())
}

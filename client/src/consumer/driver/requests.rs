//! To the brokers: fetches, and look-ups of offsets.

use std::sync::Arc;

use ottla_core::fetcher::{Fetch, Lookup, Lookups};
use ottla_protocol::messages::{FetchPartition, FetchRequest, FetchTopic, ForgottenTopic};
use tokio::time::Instant;

use super::{Driver, Event};
use crate::{
    offsets::{self, Place},
    settings::as_millis,
};

/// The last version in which topics go by name (KIP-516).
const BY_NAME: i16 = 12;

impl Driver {
    pub(super) fn look_up(&mut self, lookups: Lookups) {
        let client = self.client.clone();
        let Lookups { broker, lookups } = lookups;
        self.events.spawn(async move {
            let place = |l: &Lookup| Place {
                topic: l.topic.clone(),
                partition: l.partition,
                start: l.start,
                or_end: true,
            };
            let places: Vec<_> = lookups.iter().map(place).collect();
            let found = offsets::look_up(&client, &places, client.deadline()).await;
            Event::LookedUp(broker, lookups, found)
        });
    }

    pub(super) fn fetch(&mut self, fetch: Fetch) {
        let topics = self.topics_of(&fetch);
        if fetch.is_full() {
            // By id only when every topic has one.
            if topics.iter().any(|t| t.topic_id.is_nil()) {
                self.by_name.insert(fetch.broker);
            } else {
                self.by_name.remove(&fetch.broker);
            }
        }
        let by_name = self.by_name.contains(&fetch.broker);
        let cap = if by_name { BY_NAME } else { i16::MAX };
        let (session_id, session_epoch) = fetch.session;
        let request = Arc::new(FetchRequest {
            max_wait_ms: as_millis(self.settings.max_wait),
            min_bytes: self.settings.min_bytes,
            max_bytes: self.settings.max_bytes,
            rack_id: self.settings.rack.clone(),
            session_id,
            session_epoch,
            topics,
            forgotten_topics_data: forgotten(&fetch),
            ..FetchRequest::default()
        });
        let timeout = self.client.request_timeout() + self.settings.max_wait;
        let link = self.client.link(fetch.broker, self.purpose);
        let asked = Instant::now();
        self.events.spawn(async move {
            let answer = match link {
                Ok(link) => link.request(request, cap, timeout).await,
                Err(error) => Err(error),
            };
            Event::Fetched(fetch, asked, answer)
        });
    }

    /// The partitions in the order of the fetch, since byte limits are used up from the front. Only
    /// neighbours of one topic share an entry, as in the Java client.
    fn topics_of(&self, fetch: &Fetch) -> Vec<FetchTopic> {
        let mut topics: Vec<FetchTopic> = Vec::new();
        for wanted in &fetch.partitions {
            let partition = FetchPartition {
                partition: wanted.partition,
                current_leader_epoch: wanted.leader_epoch,
                fetch_offset: wanted.offset,
                partition_max_bytes: self.settings.partition_max_bytes,
                ..FetchPartition::default()
            };
            match topics.last_mut() {
                Some(last) if last.topic == wanted.topic && last.topic_id == wanted.topic_id => {
                    last.partitions.push(partition);
                }
                _ => topics.push(FetchTopic {
                    topic_id: wanted.topic_id,
                    topic: wanted.topic.clone(),
                    partitions: vec![partition],
                }),
            }
        }
        topics
    }
}

/// The partitions that leave the session, by topic.
fn forgotten(fetch: &Fetch) -> Vec<ForgottenTopic> {
    let mut topics: Vec<ForgottenTopic> = Vec::new();
    for left in &fetch.forgotten {
        match topics.last_mut() {
            Some(last) if last.topic == left.topic && last.topic_id == left.topic_id => {
                last.partitions.push(left.partition);
            }
            _ => topics.push(ForgottenTopic {
                topic_id: left.topic_id,
                topic: left.topic.clone(),
                partitions: vec![left.partition],
            }),
        }
    }
    topics
}

//! Fetch sessions (KIP-227): a broker remembers what a client asks for, so that the next request names
//! only what changed, and its answer only what there is.

use std::{collections::HashMap, sync::Arc};

use ottla_protocol::{
    ErrorCode,
    messages::{
        EpochEndOffset, FetchPartition, FetchRequest, FetchResponse, FetchTopic, FetchedPartition,
    },
};
use uuid::Uuid;

/// The sessions of all brokers, each of which has its own.
#[derive(Debug, Default)]
pub(crate) struct FetchSessions {
    sessions: HashMap<(i32, i32), Session>,
    last_id: i32,
}

#[derive(Debug)]
struct Session {
    /// The number of the next request.
    epoch: i32,
    /// Whether its topics go by id.
    by_id: bool,
    /// In their turn: those that got records go to the end.
    members: Vec<Member>,
}

#[derive(Debug, Clone)]
struct Member {
    topic: Arc<str>,
    topic_id: Uuid,
    asked: FetchPartition,
    /// The high watermark and the start of the log that the client was last told.
    told: Option<(i64, i64)>,
}

type Place = (Arc<str>, Uuid, i32);

impl Member {
    fn place(&self) -> Place {
        (self.topic.clone(), self.topic_id, self.asked.partition)
    }
}

/// How a request goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    /// Without a session: all that is asked for is answered.
    Without,
    /// It began this session: all is answered.
    Full(i32),
    /// It goes on with this session: what is new is answered.
    Incremental(i32),
}

impl FetchSessions {
    /// Takes a request in, whose topics are then all that its session asks for.
    pub(crate) fn begin(
        &mut self,
        broker: i32,
        request: &mut FetchRequest,
        by_id: bool,
    ) -> Result<Begun, ErrorCode> {
        let key = (broker, request.session_id);
        match request.session_epoch {
            ..=-1 => {
                self.sessions.remove(&key);
                Ok(Begun::Without)
            }
            0 => {
                self.sessions.remove(&key);
                self.last_id = self.last_id.checked_add(1).unwrap_or(1);
                let mut session = Session {
                    epoch: 1,
                    by_id,
                    members: Vec::new(),
                };
                session.update(&request.topics);
                self.sessions.insert((broker, self.last_id), session);
                Ok(Begun::Full(self.last_id))
            }
            epoch => {
                let session = self.sessions.get_mut(&key);
                let session = session.ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
                if session.by_id != by_id {
                    return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
                }
                if session.epoch != epoch {
                    return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
                }
                session.epoch = epoch.checked_add(1).unwrap_or(1);
                session.update(&request.topics);
                for topic in &request.forgotten_topics_data {
                    let forgotten = |member: &Member| {
                        member.topic == topic.topic
                            && member.topic_id == topic.topic_id
                            && topic.partitions.contains(&member.asked.partition)
                    };
                    session.members.retain(|member| !forgotten(member));
                }
                request.topics = session.topics();
                Ok(Begun::Incremental(request.session_id))
            }
        }
    }

    /// Leaves in an answer what is new to the client.
    pub(crate) fn finish(&mut self, broker: i32, begun: Begun, response: &mut FetchResponse) {
        let (id, is_full) = match begun {
            Begun::Without => return,
            Begun::Full(id) => (id, true),
            Begun::Incremental(id) => (id, false),
        };
        response.session_id = id;
        // It may have been ended meanwhile.
        let Some(session) = self.sessions.get_mut(&(broker, id)) else {
            return;
        };
        let places = session.members.iter().map(Member::place);
        let places: HashMap<_, _> = places.zip(0..).collect();
        let mut served = vec![false; session.members.len()];
        for topic in &mut response.responses {
            let (name, topic_id) = (topic.topic.clone(), topic.topic_id);
            topic.partitions.retain(|fetched| {
                let place = (name.clone(), topic_id, fetched.partition_index);
                let at: Option<usize> = places.get(&place).copied();
                let Some(at) = at else { return true };
                served[at] = has_records(fetched);
                let is_new = session.members[at].tell(fetched);
                is_full || is_new
            });
        }
        response
            .responses
            .retain(|topic| !topic.partitions.is_empty());
        let mut served = served.into_iter();
        let (later, first): (Vec<_>, Vec<_>) = std::mem::take(&mut session.members)
            .into_iter()
            .partition(|_| served.next() == Some(true));
        session.members = first.into_iter().chain(later).collect();
    }

    /// A broker that stops forgets its sessions.
    pub(crate) fn forget_broker(&mut self, broker: i32) {
        self.sessions.retain(|(of, _), _| *of != broker);
    }
}

impl Session {
    fn update(&mut self, topics: &[FetchTopic]) {
        let places = self.members.iter().map(Member::place);
        let mut places: HashMap<_, _> = places.zip(0..).collect();
        for topic in topics {
            for asked in &topic.partitions {
                let member = Member {
                    topic: topic.topic.clone(),
                    topic_id: topic.topic_id,
                    asked: asked.clone(),
                    told: None,
                };
                match places.get(&member.place()) {
                    Some(at) => self.members[*at].asked = member.asked,
                    None => {
                        places.insert(member.place(), self.members.len());
                        self.members.push(member);
                    }
                }
            }
        }
    }

    /// All that is asked for, in its turn.
    fn topics(&self) -> Vec<FetchTopic> {
        let mut topics: Vec<FetchTopic> = Vec::new();
        for member in &self.members {
            let asked = member.asked.clone();
            match topics.last_mut() {
                Some(last) if last.topic == member.topic && last.topic_id == member.topic_id => {
                    last.partitions.push(asked);
                }
                _ => topics.push(FetchTopic {
                    topic: member.topic.clone(),
                    topic_id: member.topic_id,
                    partitions: vec![asked],
                }),
            }
        }
        topics
    }
}

impl Member {
    /// Whether this says anything that the client was not told.
    fn tell(&mut self, fetched: &FetchedPartition) -> bool {
        let says = (fetched.high_watermark, fetched.log_start_offset);
        let is_new = self.told.replace(says) != Some(says);
        is_new
            || has_records(fetched)
            || !fetched.error_code.is_ok()
            || fetched.preferred_read_replica >= 0
            || fetched.diverging_epoch != EpochEndOffset::default()
    }
}

fn has_records(fetched: &FetchedPartition) -> bool {
    fetched
        .records
        .as_ref()
        .is_some_and(|records| !records.is_empty())
}

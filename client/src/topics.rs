//! Waiting for what metadata says: that the cluster is known, a topic, a partition of it.

use std::sync::Arc;

use ottla_core::cluster::{Topic, UNKNOWN_TOPIC_ANSWERS, check_topic_name};
use ottla_protocol::ErrorCode;
use tokio::time::{Instant, timeout_at};

use crate::{
    client::Client,
    error::{Error, ErrorKind, Result},
    metadata::{Snapshot, TopologyRequest},
};

/// How long a caller waits for what no broker knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Until a few answers in a row say that it does not exist: the caller may have mistyped a name.
    Answers,
    /// Until the deadline: it may be created yet.
    Deadline,
}

/// A topic that is looked for, perhaps with one of its partitions.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: Option<i32>,
    pub(crate) patience: Patience,
    /// What the caller is doing, for errors.
    pub(crate) doing: String,
}

impl Client {
    /// A topic and its partitions, looked up if it is not known, and kept up to date while it is used:
    /// it is forgotten after `metadata.max.idle.ms` without use.
    ///
    /// Dropping the future gives the search up.
    ///
    /// # Errors
    /// When no topic can have this name; when four answers in a row say that it does not exist, so a
    /// topic that is created a few seconds later is not waited for; when it may not be seen; or when no
    /// broker answers within `default.api.timeout.ms`.
    pub async fn topic(&self, name: &str) -> Result<Arc<Topic>> {
        let search = Search {
            topic: name,
            partition: None,
            patience: Patience::Answers,
            doing: format!("looking for topic {name}"),
        };
        self.find(search, self.deadline()).await
    }

    /// A topic that has this partition. Metadata is looked up again before the partition is refused:
    /// the topic may have grown.
    pub(crate) async fn topic_with(
        &self,
        topic: &str,
        partition: i32,
        doing: String,
    ) -> Result<Arc<Topic>> {
        let search = Search {
            topic,
            partition: Some(partition),
            patience: Patience::Answers,
            doing,
        };
        self.find(search, self.deadline()).await
    }

    /// Looks for a topic until it is found, or as long as the search has patience.
    pub(crate) async fn find(&self, search: Search<'_>, deadline: Instant) -> Result<Arc<Topic>> {
        search.check_name()?;
        let snapshot = self.metadata().watch().borrow().clone();
        if let Some(topic) = search.found(&snapshot) {
            return Ok(topic);
        }
        let since = snapshot.answers;
        let name = search.topic.into();
        // After a few answers that a topic does not exist it is asked for no more, unless it is leased.
        let _lease = self.metadata().lease(&name);
        let _awaited = self.metadata().await_topic(&name);
        self.metadata()
            .request_topology(TopologyRequest::Topic(name))
            .await;
        self.metadata().hint(TopologyRequest::Stale);
        let found = self
            .wait_for(deadline, &search.doing, |s| search.decide(s, since))
            .await;
        match found {
            Err(error) if matches!(error.kind(), ErrorKind::Timeout { .. }) => {
                let snapshot = self.metadata().watch().borrow().clone();
                Err(search
                    .missing(&snapshot)
                    .unwrap_or_else(|| search.place(error)))
            }
            found => found,
        }
    }

    /// Done when a broker has said what the cluster consists of.
    pub(crate) async fn wait_until_connected(&self, bootstrap: &str) -> Result<()> {
        let doing = format!("connecting to {bootstrap}");
        self.wait_for(self.deadline(), &doing, |s| {
            (s.answers > 0).then_some(Ok(()))
        })
        .await
    }

    /// Waits until a snapshot says yes or no. After each answer that says neither, metadata is asked
    /// for again, more slowly each time: only callers that wait keep it going.
    async fn wait_for<T>(
        &self,
        deadline: Instant,
        doing: &str,
        mut decide: impl FnMut(&Snapshot) -> Option<Result<T>>,
    ) -> Result<T> {
        let mut watch = self.metadata().watch();
        let started = Instant::now();
        let wait = async {
            let (mut answers, refusals) = {
                let snapshot = watch.borrow();
                (snapshot.answers, snapshot.refusals.0)
            };
            loop {
                let (decided, seen, refused) = {
                    let snapshot = watch.borrow_and_update();
                    let refused = snapshot.refusals.clone();
                    (decide(&snapshot), snapshot.answers, refused)
                };
                if let Some(decided) = decided {
                    return decided;
                }
                if let (times, Some(error)) = refused
                    && times > refusals
                {
                    return Err(error);
                }
                if seen > answers {
                    answers = seen;
                    self.metadata().hint(TopologyRequest::Stale);
                }
                if watch.changed().await.is_err() {
                    return Err(Error::closed("the client", doing));
                }
            }
        };
        if let Ok(decided) = timeout_at(deadline, wait).await {
            return decided;
        }
        let last = self.metadata().watch().borrow().trouble();
        let after_ms = (deadline - started).as_micros().div_ceil(1000);
        Err(Error::new(ErrorKind::Timeout { after_ms, last }, doing))
    }
}

impl Search<'_> {
    fn has_partition(&self, topic: &Topic) -> bool {
        let partition = self.partition;
        partition.is_none_or(|partition| topic.partition(partition).is_some())
    }

    /// The topic, if it is known to exist and has the partition.
    fn found(&self, snapshot: &Snapshot) -> Option<Arc<Topic>> {
        let topology = &snapshot.topology;
        let error = topology.errors.get(self.topic);
        let gone = error.is_some_and(|e| e.times >= UNKNOWN_TOPIC_ANSWERS);
        let topic = topology.topic(self.topic).filter(|_| !gone)?;
        self.has_partition(topic).then(|| topic.clone())
    }

    /// What a snapshot means for the search, which began after so many answers.
    fn decide(&self, snapshot: &Snapshot, since: u64) -> Option<Result<Arc<Topic>>> {
        let topology = &snapshot.topology;
        let error = topology.errors.get(self.topic);
        let topic = topology.topic(self.topic).filter(|_| error.is_none());
        if let Some(topic) = topic.filter(|topic| self.has_partition(topic)) {
            return Some(Ok(topic.clone()));
        }
        // One answer may have been on its way when the search began.
        let fresh = snapshot.answers.saturating_sub(since);
        let hopeless = match (error, topic) {
            (Some(error), _) if fresh > 0 => {
                !error.code.is_retriable()
                    || (error.times >= UNKNOWN_TOPIC_ANSWERS && self.patience == Patience::Answers)
            }
            (None, Some(_)) => fresh > 1 && self.patience == Patience::Answers,
            _ => false,
        };
        if !hopeless {
            return None;
        }
        self.missing(snapshot).map(Err)
    }

    /// What is missing, as far as a snapshot tells.
    fn missing(&self, snapshot: &Snapshot) -> Option<Error> {
        let topology = &snapshot.topology;
        if let Some(error) = topology.errors.get(self.topic) {
            let unknown = error.code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            let hint = unknown.then(|| {
                let topic = self.topic;
                format!(
                    "create it (ottla topic create {topic}), or set allow.auto.create.topics=true \
                     where the brokers have auto.create.topics.enable"
                )
                .into()
            });
            let refused = Error::refused(error.code, hint, self.doing.clone());
            return Some(self.place(refused));
        }
        let topic = topology.topic(self.topic)?;
        let partitions = topic.partitions.len();
        let kind = ErrorKind::NoSuchPartition { partitions };
        Some(self.place(Error::new(kind, self.doing.clone())))
    }

    /// The error, about what is looked for.
    fn place(&self, error: Error) -> Error {
        let topic = self.topic.into();
        match self.partition {
            Some(partition) => error.about(&topic, partition),
            None => error.about_topic(&topic),
        }
    }

    /// A name that no topic can have is refused before any broker is asked: one that is too long for
    /// the protocol would end every connection that asks for it.
    pub(crate) fn check_name(&self) -> Result<()> {
        check_topic_name(self.topic).map_err(|error| self.invalid(&error.to_string()))
    }

    fn invalid(&self, why: &str) -> Error {
        let code = ErrorCode::INVALID_TOPIC_EXCEPTION;
        // A name of 40,000 bytes would fill a screen.
        let doing: String = self.doing.chars().take(300).collect();
        self.place(Error::refused(code, Some(why.into()), doing))
    }
}

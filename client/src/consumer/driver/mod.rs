//! The task that owns the positions: takes the application's commands, lets the machine decide what
//! to fetch and to look up, asks the brokers, and hands what came in to the opener.
//!
//! - `requests`: to the brokers; `answers`: back from them.
//! - `topics`: which partitions are assigned, and what a newer topology means for them.

mod answers;
mod requests;
mod topics;

use std::{collections::HashSet, sync::Arc};

use ottla_core::{
    cluster::Topology,
    fetcher::{self, Fetch, Fetcher, Lookup, Problem},
};
use ottla_protocol::messages::FetchResponse;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    arrivals::{Raw, RawBatches, Trouble},
    assignment::Key,
    budget::Budget,
    command::Command,
    settings::Settings,
};
use crate::{
    client::Client,
    error::{Error, Result},
    metadata::{Snapshot, TopologyRequest},
    net::dialer::Use,
    offsets::FoundOffset,
};
use topics::{Assigned, Topics};

/// What came back to the task.
enum Event {
    /// With when it was asked.
    Fetched(Fetch, Instant, Result<FetchResponse>),
    LookedUp(i32, Vec<Lookup>, Vec<Result<FoundOffset>>),
}

pub(super) struct Driver {
    client: Client,
    settings: Settings,
    machine: Fetcher,
    topics: Topics,
    events: JoinSet<Event>,
    /// Its own connections: see [`Use::Fetch`].
    purpose: Use,
    /// Brokers whose sessions know topics by name; a session cannot change from one to the other.
    by_name: HashSet<i32>,
    budget: Arc<Budget>,
    /// Bounded by the budget: nothing is fetched while that has no room.
    raw: mpsc::UnboundedSender<Raw>,
    /// The metadata that this task has compared with its partitions. It fetches by this, never by newer
    /// metadata: it would not have noticed yet which topics were created again (rule 17).
    topology: Arc<Topology>,
    snapshots: watch::Receiver<Snapshot>,
}

impl Driver {
    pub(super) fn new(
        client: Client,
        settings: Settings,
        budget: Arc<Budget>,
        raw: mpsc::UnboundedSender<Raw>,
    ) -> Self {
        let how = fetcher::Settings {
            reset: settings.reset,
            backoff: client.retry_backoff(),
            replica_lease: client.metadata_max_age(),
        };
        Self {
            machine: Fetcher::new(how, client.seeds().next()),
            topics: Topics::default(),
            events: JoinSet::new(),
            by_name: HashSet::new(),
            purpose: Use::Fetch(client.brokers().next_consumer()),
            topology: client.topology(),
            snapshots: client.metadata().watch(),
            client,
            settings,
            budget,
            raw,
        }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let budget = self.budget.clone();
        loop {
            // Commands that wait are all taken in before anything is decided: 10,000 partitions
            // assigned at once are one request for offsets, not 10,000.
            while let Ok(command) = commands.try_recv() {
                self.handle(command);
            }
            if self.snapshots.has_changed().unwrap_or(false) {
                self.take_topology();
            }
            self.drive();
            // Without room nothing is asked, and so nothing is due.
            let timeout = self.machine.poll_timeout().filter(|_| budget.has_room());
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.handle(command),
                    None => return,
                },
                Some(done) = self.events.join_next() => match done {
                    Ok(event) => self.handle_event(event),
                    Err(error) => tracing::error!(%error, "a fetch ended in a panic"),
                },
                () = budget.room.notified() => {}
                Ok(()) = self.snapshots.changed() => self.take_topology(),
                () = sleep_until(timeout.map_or_else(Instant::now, Instant::from_std)), if timeout.is_some() => {}
            }
        }
    }

    // ---- from the application ----

    fn handle(&mut self, command: Command) {
        match command {
            Command::Assign {
                key,
                start,
                incarnation,
                number,
            } => {
                let (topic, partition) = key.clone();
                let slot = self
                    .machine
                    .handle_assigned(topic, partition, start, number);
                tracing::info!(topic = %key.0, partition, ?start, "reading a partition");
                let assigned = Assigned {
                    slot,
                    incarnation,
                    told_end: None,
                    high_watermark: None,
                };
                self.topics
                    .add(key, assigned, &self.topology, self.client.metadata());
            }
            Command::Unassign(key) => {
                if let Some(assigned) = self.topics.remove(&key) {
                    self.machine.handle_unassigned(assigned.slot);
                }
            }
            Command::Seek {
                key,
                start,
                incarnation,
            } => {
                if let Some(assigned) = self.topics.get(&key) {
                    self.machine.handle_seek(assigned.slot, start, incarnation);
                }
            }
            Command::Pause(key, paused) => {
                if let Some(assigned) = self.topics.get(&key) {
                    self.machine.handle_paused(assigned.slot, paused);
                }
            }
            Command::Retry {
                key,
                start,
                fetching,
            } => {
                let now = Instant::now().into_std();
                let assigned = self.topics.get(&key);
                // A seek that came in between outranks it (rule 58).
                let is_current = |a: &&Assigned| a.incarnation.fetching() == fetching;
                if let Some(assigned) = assigned.filter(is_current) {
                    self.machine.handle_seek(assigned.slot, start, fetching);
                    self.machine.handle_no_progress(now, assigned.slot);
                }
            }
        }
    }

    /// Takes a newer topology in: topics that are gone or were created again, and leaders that moved.
    fn take_topology(&mut self) {
        self.topology = self.snapshots.borrow_and_update().topology.clone();
        let changes = self.topics.update(&self.topology);
        for slot in changes.recreated {
            self.machine.handle_recreated(slot);
        }
        if !changes.moved.is_empty() {
            let partitions = changes.moved.len();
            tracing::info!(partitions, "leaders changed of partitions that are read");
        }
        for slot in changes.moved {
            self.machine.handle_leader_changed(slot);
        }
        for (key, code) in changes.gone {
            let doing = format!("reading {}-{}", key.0, key.1);
            self.tell(&key, Error::answered(code, doing));
        }
    }

    // ---- to the brokers ----

    fn drive(&mut self) {
        let now = Instant::now().into_std();
        if self.budget.has_room() {
            let topology = self.topology.clone();
            while let Some(lookups) = self.machine.poll_lookups(now, &*topology) {
                self.look_up(lookups);
            }
            while let Some(fetch) = self.machine.poll_fetch(now, &*topology) {
                self.fetch(fetch);
            }
        }
        while self.machine.poll_stale().is_some() {
            self.client.metadata().hint(TopologyRequest::Stale);
        }
        while let Some(problem) = self.machine.poll_problem() {
            self.report(&problem);
        }
    }

    // ---- to the application ----

    fn report(&self, problem: &Problem) {
        let Problem {
            topic,
            partition,
            incarnation,
            error,
            offset,
            lost,
        } = problem;
        let place = if *offset < 0 {
            format!("finding where to start reading {topic}-{partition}")
        } else {
            format!("reading {topic}-{partition} at offset {offset}")
        };
        let key = (topic.clone(), *partition);
        let trouble = Trouble {
            error: Error::answered(*error, place),
            lost: *lost,
        };
        self.pass_on(&key, *incarnation, Err(trouble));
    }

    /// Tells the application of an error, behind what was fetched before.
    fn tell(&self, key: &Key, error: Error) {
        if let Some(assigned) = self.topics.get(key) {
            let trouble = Trouble { error, lost: false };
            self.pass_on(key, assigned.incarnation.fetching(), Err(trouble));
        }
    }

    fn pass_on(&self, key: &Key, fetching: u32, content: Result<RawBatches, Trouble>) {
        let Some(assigned) = self.topics.get(key) else {
            return;
        };
        let content = content.map_err(|trouble| Trouble {
            error: trouble.error.about(&key.0, key.1),
            lost: trouble.lost,
        });
        // The opener has ended when the consumer is being dropped.
        let _: Result<_, _> = self.raw.send(Raw {
            key: key.clone(),
            fetching,
            current: assigned.incarnation.clone(),
            content,
        });
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.client.brokers().forget(self.purpose);
    }
}

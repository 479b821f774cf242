//! The handle to a running cluster.

use std::{fmt, io, sync::Arc};

use bytes::Bytes;
use ottla_protocol::{
    messages::CreatableTopic,
    records::{Batches, RawBatch},
};
use tokio::io::DuplexStream;

use crate::{
    control::{Action, Control, Intercepted},
    creation::Plan,
    error::{Error, ErrorKind},
    listener,
    replicas::Following,
    starting::{self, address, bind, bind_other, creatable},
    state::{Shared, State},
    topics::{NO_LEADER, Partition},
};

/// A running cluster. Clones are the same one; with the last of them it ends, and all of its
/// connections are closed.
#[derive(Clone)]
pub struct Cluster(Arc<Owner>);

/// Ends the tasks, which share everything but this.
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        for broker in self.0.state().brokers.values_mut() {
            broker.running = None;
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cluster").field(&self.bootstrap()).finish()
    }
}

impl Cluster {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Arc::new(Owner(Arc::new(shared))))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }

    /// The addresses of all brokers, as `bootstrap.servers` takes them.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        let state = self.shared().state();
        let brokers = state.brokers.values();
        let addresses: Vec<_> = brokers.map(|b| format!("{}:{}", b.host, b.port)).collect();
        addresses.join(",")
    }

    /// A pipe to the broker with this advertised address, whether it has a socket or not. It is
    /// refused while the broker is stopped. The future does not keep the cluster alive.
    pub fn connect(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<DuplexStream>> + Send + use<> {
        let (shared, host) = (Arc::downgrade(self.shared()), host.to_owned());
        async move {
            let shared = shared.upgrade().ok_or(io::ErrorKind::ConnectionRefused)?;
            listener::pipe(&shared, &host, port)
        }
    }

    /// Stops a broker, as a crash would: when this returns its connections are cut and its port
    /// refuses. What it led moves to other replicas in sync, or has no leader until it is back.
    ///
    /// # Errors
    /// When there is no such broker, or it is stopped already.
    pub async fn stop_broker(&self, id: i32) -> Result<(), Error> {
        let doing = || format!("stopping broker {id}");
        let running = {
            let mut state = self.shared().state();
            let broker = state.brokers.get_mut(&id);
            let broker = broker.ok_or_else(|| Error::new(ErrorKind::NoSuchBroker, doing()))?;
            let running = broker.running.take();
            let stopped = || Error::new(ErrorKind::BrokerState("it is stopped already"), doing());
            let running = running.ok_or_else(stopped)?;
            state.broker_stopped(id);
            running
        };
        running.send_replace(());
        running.closed().await;
        Ok(())
    }

    /// Starts a stopped broker again, at the address and with the data that it had.
    ///
    /// # Errors
    /// When there is no such broker, it runs already, or somebody else took its port.
    pub async fn start_broker(&self, id: i32) -> Result<(), Error> {
        let listener = match self.stopped(id)? {
            Some(port) => Some(bind(id, port).await?),
            None => None,
        };
        starting::run(self.shared(), id, listener);
        Ok(())
    }

    /// Starts a stopped broker again with the data that it had, at another address, as a container may come
    /// back: another free port, or without a socket another host name. Clients learn it from the others.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let cluster = ottla_broker::Cluster::builder().brokers(2).start().await?;
    /// let before = cluster.bootstrap();
    /// cluster.stop_broker(2).await?;
    /// cluster.start_broker_elsewhere(2).await?;
    /// assert_ne!(cluster.bootstrap(), before);
    /// # Ok::<(), ottla_broker::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// When there is no such broker, it runs already, or there is no free port.
    pub async fn start_broker_elsewhere(&self, id: i32) -> Result<(), Error> {
        let listener = match self.stopped(id)? {
            Some(port) => Some(bind_other(id, port).await?),
            None => None,
        };
        let socket = listener.as_ref().map(|l| address(l, id)).transpose()?;
        if let Some(broker) = self.shared().state().brokers.get_mut(&id) {
            broker.readdress(socket);
        }
        starting::run(self.shared(), id, listener);
        Ok(())
    }

    /// The port of a broker that is to be started, where it has one.
    fn stopped(&self, id: i32) -> Result<Option<u16>, Error> {
        let doing = || format!("starting broker {id}");
        let state = self.shared().state();
        let broker = state.brokers.get(&id);
        let broker = broker.ok_or_else(|| Error::new(ErrorKind::NoSuchBroker, doing()))?;
        if broker.is_running() {
            let kind = ErrorKind::BrokerState("it runs already");
            return Err(Error::new(kind, doing()));
        }
        Ok(broker.has_socket.then_some(broker.port))
    }

    /// Makes another running replica in sync the leader of a partition; its epoch grows by one. What
    /// the new leader had not copied is lost, of which nothing was acknowledged to producers that
    /// want all acknowledgements.
    ///
    /// # Errors
    /// When there is no such partition, or the broker has no replica of it or does not run.
    pub fn move_leader(&self, topic: &str, partition: i32, to_broker: i32) -> Result<(), Error> {
        let doing = || format!("moving {topic}-{partition} to broker {to_broker}");
        let mut state = self.shared().state();
        let runs = state.running().any(|b| b.id == to_broker);
        let found = partition_mut(&mut state, topic, partition);
        let found = found.ok_or_else(|| Error::new(ErrorKind::NoSuchPartition, doing()))?;
        if !runs || !found.in_sync.contains(&to_broker) {
            let state = ErrorKind::BrokerState("it has no replica in sync");
            return Err(Error::new(state, doing()));
        }
        found.lead(to_broker);
        Ok(())
    }

    /// Lets the follower on a broker copy nothing of a partition, until it is
    /// [resumed](Self::resume_follower) or its broker starts anew. It stays in sync, so that
    /// producers that want all acknowledgements wait for it. While it leads it has no part in this.
    ///
    /// # Errors
    /// When there is no such partition, or the broker runs no replica of it.
    pub fn stall_follower(&self, topic: &str, partition: i32, broker: i32) -> Result<(), Error> {
        self.follow(topic, partition, broker, Following::Stalled)
    }

    /// Lets a follower copy again, beginning with what it missed.
    ///
    /// # Errors
    /// As of [`stall_follower`](Self::stall_follower).
    pub fn resume_follower(&self, topic: &str, partition: i32, broker: i32) -> Result<(), Error> {
        self.follow(topic, partition, broker, Following::AtOnce)
    }

    fn follow(
        &self,
        topic: &str,
        partition: i32,
        broker: i32,
        following: Following,
    ) -> Result<(), Error> {
        let doing = || format!("the replica of {topic}-{partition} on broker {broker}");
        self.with_replica(topic, partition, broker, doing, |p| {
            p.follow(broker, following);
            Ok(())
        })
    }

    /// Gives a follower a new and empty disk: it copies what is left of the log, and knows only the
    /// producers of that.
    ///
    /// # Errors
    /// When there is no such partition, the broker runs no replica of it, or it leads.
    pub fn replace_follower(&self, topic: &str, partition: i32, broker: i32) -> Result<(), Error> {
        let doing = || format!("replacing the replica of {topic}-{partition} on broker {broker}");
        self.with_replica(topic, partition, broker, doing, |p| {
            if p.leader == broker || p.leader == NO_LEADER {
                return Err(ErrorKind::BrokerState("nobody else leads"));
            }
            p.replace(broker);
            Ok(())
        })
    }

    fn with_replica(
        &self,
        topic: &str,
        partition: i32,
        broker: i32,
        doing: impl Fn() -> String,
        change: impl FnOnce(&mut Partition) -> Result<(), ErrorKind>,
    ) -> Result<(), Error> {
        let mut state = self.shared().state();
        let runs = state.running().any(|b| b.id == broker);
        let found = partition_mut(&mut state, topic, partition);
        let found = found.ok_or_else(|| Error::new(ErrorKind::NoSuchPartition, doing()))?;
        if !runs || !found.replicas.contains(broker) {
            let state = ErrorKind::BrokerState("it runs no replica");
            return Err(Error::new(state, doing()));
        }
        change(found).map_err(|kind| Error::new(kind, doing()))
    }

    /// Deletes the committed batches that end before this offset, as DeleteRecords and retention do.
    ///
    /// # Errors
    /// When there is no such partition.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) -> Result<(), Error> {
        let doing = || format!("deleting records of {topic}-{partition}");
        let mut state = self.shared().state();
        let found = partition_mut(&mut state, topic, partition);
        let found = found.ok_or_else(|| Error::new(ErrorKind::NoSuchPartition, doing()))?;
        found.log.delete_before(before);
        Ok(())
    }

    /// Makes another broker the coordinator of a group; while it is stopped, another takes over. The
    /// one before answers NOT_COORDINATOR from now on.
    ///
    /// # Errors
    /// When there is no such broker.
    pub fn move_coordinator(&self, group: &str, to_broker: i32) -> Result<(), Error> {
        let doing = || format!("moving the coordinator of {group} to broker {to_broker}");
        let mut state = self.shared().state();
        if !state.brokers.contains_key(&to_broker) {
            return Err(Error::new(ErrorKind::NoSuchBroker, doing()));
        }
        state.coordinators.insert(group.to_owned(), to_broker);
        Ok(())
    }

    /// Who leads a partition, and in which epoch; -1 is nobody.
    #[must_use]
    pub fn leader(&self, topic: &str, partition: i32) -> Option<(i32, i32)> {
        let state = self.shared().state();
        let found = state.topics.named(topic)?.partition(partition)?;
        Some((found.leader, found.leader_epoch))
    }

    /// Makes a topic.
    ///
    /// # Errors
    /// When Kafka would refuse it.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), Error> {
        self.create(creatable(name, partitions, &[]))
    }

    /// Makes a topic with a configuration of its own.
    ///
    /// # Errors
    /// When Kafka would refuse it.
    pub fn create_topic_with(
        &self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> Result<(), Error> {
        self.create(creatable(name, partitions, configs))
    }

    pub(crate) fn create(&self, topic: CreatableTopic) -> Result<(), Error> {
        let mut state = self.shared().state();
        let plan = Plan::new(&topic, &state, &self.shared().settings);
        let plan = plan.map_err(|(code, message)| {
            let doing = format!("creating topic {}", topic.name);
            Error::new(ErrorKind::Refused(code, message), doing)
        })?;
        plan.carry_out(&mut state);
        Ok(())
    }

    /// Deletes a topic with its records and the offsets committed for it.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn delete_topic(&self, name: &str) -> Result<(), Error> {
        let deleted = self.shared().state().delete_topic(name);
        let doing = || format!("deleting topic {name}");
        deleted.ok_or_else(|| Error::new(ErrorKind::NoSuchPartition, doing()))
    }

    /// Appends batches that were made with care, such as control batches, compacted or damaged
    /// ones: only their lengths and offsets are looked at. A batch whose base offset lies past the
    /// end of the log keeps it, any other gets the next offset. Returns the base offset of the
    /// first.
    ///
    /// # Errors
    /// When there is no such partition, or the bytes are no whole batches.
    pub fn append(&self, topic: &str, partition: i32, batches: Bytes) -> Result<i64, Error> {
        let doing = || format!("appending to {topic}-{partition}");
        let batches = whole_batches(batches).map_err(|kind| Error::new(kind, doing()))?;
        let mut state = self.shared().state();
        let found = partition_mut(&mut state, topic, partition);
        let found = found.ok_or_else(|| Error::new(ErrorKind::NoSuchPartition, doing()))?;
        let now_ms = self.shared().clock.now_ms();
        let mut offsets = batches.iter().map(|b| found.append_ready_made(b, now_ms));
        let first = offsets.next().expect("there is at least one batch");
        offsets.for_each(drop);
        Ok(first)
    }

    /// The log of a partition as it is stored, batch by batch; nothing where there is no such one.
    #[must_use]
    pub fn batches(&self, topic: &str, partition: i32) -> Vec<Bytes> {
        let state = self.shared().state();
        let found = state
            .topics
            .named(topic)
            .and_then(|t| t.partition(partition));
        let batches = found.into_iter().flat_map(|p| p.log.batches());
        batches.map(|b| b.bytes().clone()).collect()
    }

    /// Shows every request to `hook` before it is handled, and does what it says. Of several hooks
    /// the first decides that does not let the request pass. A hook may use the cluster, but not
    /// wait.
    pub fn control(
        &self,
        hook: impl Fn(&Intercepted<'_>) -> Action + Send + Sync + 'static,
    ) -> Control {
        self.shared().hooks.add(Arc::new(hook))
    }
}

fn whole_batches(bytes: Bytes) -> Result<Vec<RawBatch>, ErrorKind> {
    let mut walk = Batches::new(bytes);
    let batches: Result<Vec<_>, _> = walk.by_ref().collect();
    let batches = batches.map_err(ErrorKind::Records)?;
    if batches.is_empty() || walk.is_truncated() {
        return Err(ErrorKind::Batches("these are not whole record batches"));
    }
    let fits = |b: &RawBatch| {
        let header = b.header();
        header.last_offset_delta >= 0 && header.base_offset <= i64::MAX / 2
    };
    if !batches.iter().all(fits) {
        return Err(ErrorKind::Batches("these offsets are beyond all logs"));
    }
    Ok(batches)
}

fn partition_mut<'a>(state: &'a mut State, topic: &str, index: i32) -> Option<&'a mut Partition> {
    state.topics.named_mut(topic)?.partition_mut(index)
}

//! The connections of a client: per broker one for each use, so that a long poll never stands in
//! front of a produce request (rule 7).

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use ottla_core::cluster::{OtherCluster, Topology};

use super::{
    address::Address,
    dialer::{Dialer, Use},
    link::Link,
    peers::Peers,
};

/// All links of a client, made when they are first asked for.
pub(crate) struct Brokers {
    dialer: Dialer,
    peers: Peers,
    links: Mutex<BTreeMap<(Address, Use), Arc<Link>>>,
    consumers: AtomicU32,
    /// Addresses at which brokers of another cluster answered.
    foreign: Mutex<HashMap<Address, OtherCluster>>,
}

impl Brokers {
    pub(crate) fn new(dialer: Dialer) -> Self {
        Self {
            dialer,
            peers: Peers::default(),
            links: Mutex::default(),
            consumers: AtomicU32::new(0),
            foreign: Mutex::default(),
        }
    }

    /// The link to an address.
    pub(crate) fn link(&self, address: &Address, purpose: Use) -> Arc<Link> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (address.clone(), purpose);
        // One whose task has ended would refuse everything.
        let open = links.get(&key).filter(|link| !link.is_closed());
        if let Some(link) = open {
            return link.clone();
        }
        let link = Arc::new(self.new_link(address, purpose));
        links.insert(key, link.clone());
        link
    }

    fn new_link(&self, address: &Address, purpose: Use) -> Link {
        let (dialer, peers) = (self.dialer.clone(), self.peers.clone());
        Link::new(address.clone(), purpose, dialer, peers)
    }

    /// Takes in where brokers are now. Links to addresses that are no broker's are dropped, but those by
    /// which bootstrap servers are asked for metadata.
    pub(crate) fn update(&self, topology: &Topology, seeds: &[Address]) {
        self.peers.update(topology);
        let brokers: HashSet<_> = topology.brokers.values().map(|b| Address::of(b)).collect();
        self.retain(|address, purpose| {
            brokers.contains(address) || purpose == Use::Metadata && seeds.contains(address)
        });
    }

    /// Drops the links of a use that is over.
    pub(crate) fn forget(&self, purpose: Use) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|(_, used_for), _| *used_for != purpose);
    }

    /// How many links there are.
    pub(crate) fn count(&self) -> usize {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.len()
    }

    /// A number for a consumer.
    pub(crate) fn next_consumer(&self) -> u32 {
        self.consumers.fetch_add(1, Ordering::Relaxed)
    }

    /// Drops the links to addresses that are no broker's any more. One whose answers are awaited stays: the
    /// broker may be back in the next metadata, and what is then sent over another connection could overtake
    /// what is on this one.
    fn retain(&self, known: impl Fn(&Address, Use) -> bool) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|(address, of), link| known(address, *of) || Arc::strong_count(link) > 1);
        drop(links);
        self.foreign_addresses()
            .retain(|address, _| known(address, Use::Metadata));
    }

    /// A broker of another cluster answers at this address: its connections are closed, and no request
    /// goes there.
    pub(crate) fn set_foreign(&self, address: &Address, other: OtherCluster) {
        self.foreign_addresses().insert(address.clone(), other);
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|(at, _), _| at != address);
    }

    /// A broker of this cluster answers at this address.
    pub(crate) fn clear_foreign(&self, address: &Address) {
        self.foreign_addresses().remove(address);
    }

    /// The other cluster that an address belongs to, where it does.
    pub(crate) fn foreign(&self, address: &Address) -> Option<OtherCluster> {
        self.foreign_addresses().get(address).cloned()
    }

    fn foreign_addresses(&self) -> MutexGuard<'_, HashMap<Address, OtherCluster>> {
        self.foreign.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

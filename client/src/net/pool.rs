//! The connections of a client: per broker one for each use, so that a long poll never stands in
//! front of a produce request (rule 7).

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use super::link::{Address, Dialer, Link};

/// What a connection is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Use {
    Produce,
    /// By the consumer of this number: one that waits for records holds up no other.
    Fetch(u32),
    General,
}

/// All links of a client, made when they are first asked for.
pub(crate) struct Brokers {
    dialer: Dialer,
    links: Mutex<BTreeMap<(Address, Use), Arc<Link>>>,
    consumers: AtomicU32,
}

impl Brokers {
    pub(crate) fn new(dialer: Dialer) -> Self {
        Self {
            dialer,
            links: Mutex::default(),
            consumers: AtomicU32::new(0),
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
        let link = Arc::new(Link::new(address.clone(), self.dialer.clone()));
        links.insert(key, link.clone());
        link
    }

    /// Drops the links of a use that is over.
    pub(crate) fn forget(&self, purpose: Use) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|(_, used_for), _| *used_for != purpose);
    }

    /// A number for a consumer.
    pub(crate) fn next_consumer(&self) -> u32 {
        self.consumers.fetch_add(1, Ordering::Relaxed)
    }

    /// Drops the links to addresses that are no broker's any more.
    pub(crate) fn retain(&self, known: impl Fn(&Address) -> bool) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|(address, _), _| known(address));
    }
}

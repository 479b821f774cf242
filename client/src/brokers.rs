//! The connections of a client: per broker one for each use, so that a long poll never stands in
//! front of a produce request (rule 7).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::link::{Address, Dialer, Link};

/// What a connection is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Use {
    Produce,
    Fetch,
    General,
}

/// All links of a client, made when they are first asked for.
pub(crate) struct Brokers {
    dialer: Dialer,
    links: Mutex<HashMap<(Address, Use), Arc<Link>>>,
}

impl Brokers {
    pub(crate) fn new(dialer: Dialer) -> Self {
        Self {
            dialer,
            links: Mutex::default(),
        }
    }

    /// The link to an address.
    pub(crate) fn link(&self, address: &Address, purpose: Use) -> Arc<Link> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(Link::new(address.clone(), self.dialer.clone()));
        links
            .entry((address.clone(), purpose))
            .or_insert_with(make)
            .clone()
    }

    /// Drops the links to addresses that are no broker's any more.
    pub(crate) fn retain(&self, known: impl Fn(&Address) -> bool) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|(address, _), _| known(address));
    }
}

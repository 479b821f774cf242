//! Which broker is meant by which address, and which brokers check that they are the one (KIP-1242).

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ottla_core::{cluster::Topology, connection::setup::Meant};

use super::address::Address;

/// What is known of the brokers behind addresses. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peers(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    cluster_id: Option<Arc<str>>,
    /// The broker at each address that only one broker has.
    nodes: HashMap<Address, i32>,
    /// Where a broker answered that takes the name of the one which is meant. Others would refuse it,
    /// and be asked a second time.
    take_names: HashSet<Address>,
}

impl Peers {
    /// The broker to name to the one at an address.
    pub(super) fn meant(&self, address: &Address) -> Option<Meant> {
        let known = self.known();
        if !known.take_names.contains(address) {
            return None;
        }
        Some(Meant {
            cluster_id: known.cluster_id.clone()?,
            node_id: *known.nodes.get(address)?,
        })
    }

    /// Remembers whether the broker at an address takes names.
    pub(super) fn learn(&self, address: &Address, takes_names: bool) {
        let mut known = self.known();
        if takes_names {
            known.take_names.insert(address.clone());
        } else {
            known.take_names.remove(address);
        }
    }

    /// Takes in where brokers are now, and forgets addresses that are no broker's.
    pub(super) fn update(&self, topology: &Topology) {
        let mut known = self.known();
        known.cluster_id.clone_from(&topology.cluster_id);
        known.nodes.clear();
        let mut shared = HashSet::new();
        for broker in topology.brokers.values() {
            let address = Address::of(broker);
            // Behind one address of several brokers, a proxy may choose any of them.
            if known.nodes.insert(address.clone(), broker.id).is_some() {
                shared.insert(address);
            }
        }
        known.nodes.retain(|address, _| !shared.contains(address));
        let Known {
            nodes, take_names, ..
        } = &mut *known;
        take_names.retain(|address| nodes.contains_key(address));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use ottla_core::cluster::Broker;

    use super::*;

    fn topology(brokers: &[(i32, u16)]) -> Topology {
        let mut topology = Topology {
            cluster_id: Some("c".into()),
            ..Topology::default()
        };
        for &(id, port) in brokers {
            let broker = Broker {
                id,
                host: "h".into(),
                port,
                rack: None,
            };
            topology.brokers.insert(id, broker.into());
        }
        topology
    }

    #[test]
    fn a_broker_is_named_where_it_takes_names_and_has_its_address_alone() {
        let at = |port| Address {
            host: "h".into(),
            port,
        };
        let peers = Peers::default();
        peers.update(&topology(&[(1, 1), (2, 2), (3, 2)]));
        assert_eq!(peers.meant(&at(1)), None);
        for port in [1, 2, 9] {
            peers.learn(&at(port), true);
        }
        let node = |port| peers.meant(&at(port)).map(|meant| meant.node_id);
        assert_eq!((node(1), node(2), node(9)), (Some(1), None, None));
        peers.update(&topology(&[(2, 2)]));
        assert_eq!((node(1), node(2)), (None, Some(2)));
        peers.learn(&at(2), false);
        assert_eq!(node(2), None);
    }
}

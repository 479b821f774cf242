//! A producer's topics, found by their names with every record: no lock, and nothing that another
//! thread would have to wait for. Topics come and stay.

use std::{
    hash::BuildHasher,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use rustc_hash::FxBuildHasher;

use super::place::TopicQueue;

/// How many bits of a hash choose the way at one node.
const BITS: u32 = 2;

/// A tree that is only added to: at each node, the hash of the name says where to go on.
#[derive(Debug, Default)]
pub(super) struct Topics {
    root: OnceLock<Box<Node>>,
    /// Held by the function that adds to it: a place that was found empty stays so until it is filled.
    adding: Mutex<()>,
}

#[derive(Debug)]
struct Node {
    hash: u64,
    name: Arc<str>,
    topic: TopicQueue,
    below: [OnceLock<Box<Self>>; 1 << BITS],
}

impl Topics {
    #[inline]
    pub(super) fn get(&self, name: &str) -> Option<&TopicQueue> {
        self.find(hash(name), name).ok()
    }

    /// The topic of this name, or one that is made now.
    pub(super) fn get_or_add(
        &self,
        name: &Arc<str>,
        new: impl FnOnce() -> TopicQueue,
    ) -> &TopicQueue {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = hash(name);
        let node = || {
            Box::new(Node {
                hash,
                name: name.clone(),
                topic: new(),
                below: Default::default(),
            })
        };
        match self.find(hash, name) {
            Ok(topic) => topic,
            Err(place) => &place.get_or_init(node).topic,
        }
    }

    /// The topic, or the place where it would be.
    #[inline]
    fn find(&self, hash: u64, name: &str) -> Result<&TopicQueue, &OnceLock<Box<Node>>> {
        let (mut place, mut way) = (&self.root, hash);
        while let Some(node) = place.get() {
            if node.hash == hash && *node.name == *name {
                return Ok(&node.topic);
            }
            place = &node.below[way as usize % (1 << BITS)];
            way = way.rotate_right(BITS);
        }
        Err(place)
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &TopicQueue)> {
        let mut nodes: Vec<_> = self.root.get().into_iter().collect();
        std::iter::from_fn(move || {
            let node = nodes.pop()?;
            nodes.extend(node.below.iter().filter_map(OnceLock::get));
            Some((&node.name, &node.topic))
        })
    }
}

fn hash(name: &str) -> u64 {
    FxBuildHasher.hash_one(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Seeds;

    #[test]
    fn each_name_has_one_topic_that_stays_where_it_is() {
        let topics = Topics::default();
        let names: Vec<Arc<str>> = (0..1000).map(|n| format!("topic-{n}").into()).collect();
        let new = || TopicQueue::new(Vec::new(), 1, Seeds::from(1));
        let first: Vec<_> = names
            .iter()
            .map(|n| std::ptr::from_ref(topics.get_or_add(n, new)))
            .collect();
        for (name, first) in names.iter().zip(&first) {
            assert!(topics.get(name).is_some_and(|t| std::ptr::eq(t, *first)));
            assert!(std::ptr::eq(topics.get_or_add(name, new), *first));
        }
        assert!(topics.get("topic-1000").is_none());
        let mut all: Vec<_> = topics.iter().map(|(name, _)| name.clone()).collect();
        all.sort_unstable();
        let mut names = names;
        names.sort_unstable();
        assert_eq!(all, names);
    }
}

//! Fetch sessions (KIP-227): a broker remembers what is wanted of it, so that a request names only what
//! changed, and an answer only what there is. A partition that nothing is written to then costs nothing.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use rustc_hash::FxHashMap;

use super::{Slot, Wanted};

/// What one broker knows of what is wanted of it.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// 0: there is none yet.
    id: i32,
    /// The number of the next request.
    epoch: i32,
    members: FxHashMap<Slot, Wanted>,
    places: HashMap<(Arc<str>, i32), Slot>,
    /// Members that may have changed since the last request.
    dirty: BTreeSet<Slot>,
}

impl Session {
    pub(super) const fn number(&self) -> (i32, i32) {
        (self.id, self.epoch)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Enters what is wanted. False when the broker knows exactly that already.
    pub(super) fn enter(&mut self, wanted: &Wanted) -> bool {
        self.dirty.remove(&wanted.slot);
        let is_known = self.members.get(&wanted.slot) == Some(wanted);
        if !is_known {
            let place = (wanted.topic.clone(), wanted.partition);
            self.places.insert(place, wanted.slot);
            self.members.insert(wanted.slot, wanted.clone());
        }
        !is_known || self.id == 0
    }

    /// A member may have changed: it is looked at before the next request.
    pub(super) fn touch(&mut self, slot: Slot) {
        if self.members.contains_key(&slot) {
            self.dirty.insert(slot);
        }
    }

    pub(super) fn pop_dirty(&mut self) -> Option<Wanted> {
        let slot = self.dirty.pop_first()?;
        self.members.get(&slot).cloned()
    }

    /// Whether a partition of the same topic is some member's, and not only one of the same name.
    pub(super) fn has(&self, left: &Wanted) -> bool {
        let member = self.wanted(&left.topic, left.partition);
        member.is_some_and(|member| member.topic_id == left.topic_id)
    }

    pub(super) fn leave(&mut self, wanted: &Wanted) {
        self.members.remove(&wanted.slot);
        // Its place may be that of another slot by now, which was assigned later.
        let place = (wanted.topic.clone(), wanted.partition);
        if self.places.get(&place) == Some(&wanted.slot) {
            self.places.remove(&place);
        }
    }

    /// What is wanted of a partition that an answer names.
    pub(super) fn wanted(&self, topic: &Arc<str>, partition: i32) -> Option<&Wanted> {
        let slot = self.places.get(&(topic.clone(), partition))?;
        self.members.get(slot)
    }

    /// An answer came, with the session that it is of. False when that is another one than asked for.
    pub(super) fn answered(&mut self, id: i32) -> bool {
        if self.id == 0 {
            (self.id, self.epoch) = (id, i32::from(id != 0));
            return true;
        }
        // 0 begins a session, so the number after the greatest is 1.
        self.epoch = self.epoch.checked_add(1).unwrap_or(1);
        self.id == id
    }

    pub(super) fn into_members(self) -> impl Iterator<Item = Wanted> {
        self.members.into_values()
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Wanted> {
        self.members.values()
    }
}

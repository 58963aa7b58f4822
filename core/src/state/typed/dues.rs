//! Which keys are due when.

use std::collections::BTreeMap;

use super::due::Due;
use crate::data::KeyGroup;
use crate::state::changes::Changes;

/// An index of the times at which keys are due: slots of time, each with a list of encoded keys.
///
/// It is a hint: what a key's time is stands with its state. A key that is due is in the slot of its time or in one
/// before; whoever opens a slot puts the keys whose time has moved meanwhile into a later one. So a key that is touched
/// again and again stays where it is, and costs one look each time that a timeout is over. A key may be listed that is
/// there no more, or twice; two entries of a key come together at last, since it has one time.
#[derive(Clone, Debug)]
pub(crate) struct Dues {
    slot_millis: u64,
    // Each list is of changes that remove the key: group and key are what counts.
    slots: BTreeMap<u64, Changes>,
}

impl Dues {
    /// None, in slots of `slot_millis` milliseconds.
    pub(crate) fn new(slot_millis: u64) -> Self {
        Self { slot_millis: slot_millis.max(1), slots: BTreeMap::new() }
    }

    /// Whether no key is listed.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Lists a key; one that is never due is not listed.
    pub(crate) fn add(&mut self, due: Due, group: KeyGroup, key: &[u8]) {
        if let Some(millis) = due.millis() {
            self.slots.entry(millis / self.slot_millis).or_default().remove(group, key);
        }
    }

    /// Whether a key that was due at `before` is listed early enough for `now`.
    pub(crate) fn covers(&self, before: Due, now: Due) -> bool {
        match (before.millis(), now.millis()) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(before), Some(now)) => before / self.slot_millis <= now / self.slot_millis,
        }
    }

    /// The keys that may be due at `now`, in order of their slots.
    pub(crate) fn until(&self, now: u64) -> impl Iterator<Item = (KeyGroup, &[u8])> {
        let slots = self.slots.range(..=now / self.slot_millis);
        slots.flat_map(|(_, keys)| keys.iter()).map(|key| (key.group, key.key))
    }

    /// Forgets the slots that [`until`](Self::until) has given for `now`.
    pub(crate) fn forget_until(&mut self, now: u64) {
        self.slots = self.slots.split_off(&(now / self.slot_millis + 1));
    }

    /// Takes in what another index with slots of the same length has.
    pub(crate) fn append(&mut self, other: Self) {
        for (slot, keys) in other.slots {
            let mine = self.slots.entry(slot).or_default();
            if mine.is_empty() {
                *mine = keys;
            } else {
                keys.iter().for_each(|key| mine.push(key));
            }
        }
    }

    /// None, in slots of the same length.
    pub(crate) fn same_slots(&self) -> Self {
        Self::new(self.slot_millis)
    }
}

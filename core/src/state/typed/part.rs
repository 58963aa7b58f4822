//! What one partition keeps.

use std::hash::Hash;
use std::ops::Range;
use std::sync::Arc;

use super::dues::Dues;
use super::entry::Entry;
use super::group::Group;
use super::overlay::{Change, Overlay};

/// The states of one partition, as of a batch. A clone shares all of them, and stays as it is.
#[derive(Debug)]
pub(crate) struct Part<K, S> {
    first: u8,
    groups: Vec<Arc<Group<K, S>>>,
    dues: Arc<Dues>,
}

impl<K, S> Clone for Part<K, S> {
    fn clone(&self) -> Self {
        Self { first: self.first, groups: self.groups.clone(), dues: Arc::clone(&self.dues) }
    }
}

impl<K, S> Part<K, S> {
    /// No states, of these groups; times of keys in slots of `slot_millis`.
    pub(crate) fn new(groups: Range<u8>, slot_millis: u64) -> Self {
        let tables = groups.clone().map(|_| Arc::default()).collect();
        Self { first: groups.start, groups: tables, dues: Arc::new(Dues::new(slot_millis)) }
    }

    /// The tables, each with its group.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (u8, &Arc<Group<K, S>>)> {
        (self.first..).zip(&self.groups)
    }

    /// The table of a group; `None` for one that is not in here.
    #[inline]
    pub(crate) fn group(&self, group: u8) -> Option<&Arc<Group<K, S>>> {
        self.groups.get(usize::from(group.checked_sub(self.first)?))
    }

    pub(crate) fn dues(&self) -> &Dues {
        &self.dues
    }

    /// How many keys have a state.
    pub(crate) fn len(&self) -> usize {
        self.groups.iter().map(|group| group.len()).sum()
    }
}

impl<K: Hash + Eq + Clone, S: Clone> Part<K, S> {
    /// The table of a group, to be filled; copied where it is shared.
    pub(crate) fn group_mut(&mut self, group: u8) -> Option<&mut Group<K, S>> {
        let index = usize::from(group.checked_sub(self.first)?);
        self.groups.get_mut(index).map(Arc::make_mut)
    }

    /// The index of times, to be changed; copied where it is shared.
    pub(crate) fn dues_mut(&mut self) -> &mut Dues {
        Arc::make_mut(&mut self.dues)
    }

    /// Takes in what a batch has changed, other than its times. The tables are those that the overlay was made over.
    pub(crate) fn take_in(&mut self, overlay: &mut Overlay<K, S>) {
        let mut changed = vec![false; self.groups.len()];
        for touched in overlay.touched() {
            let index = usize::from(touched.group.wrapping_sub(self.first));
            if let Some(changed) = changed.get_mut(index) {
                *changed |= !matches!(touched.change, Change::Nothing);
            }
        }
        // Once a group and not once a change: asking whether it is shared costs as much as a lookup.
        let unshared = |(group, changed)| if changed { Some(Arc::make_mut(group)) } else { None };
        let mut groups: Vec<Option<&mut Group<K, S>>> =
            self.groups.iter_mut().zip(changed).map(unshared).collect();
        let (touched, mut own) = overlay.take_parts();
        let mut added = Vec::new();
        for touched in touched {
            // In the order in which they were touched, as the own keys are.
            let own = if touched.own().is_some() { own.next() } else { None };
            let Some(Some(group)) = groups.get_mut(usize::from(touched.group.wrapping_sub(self.first)))
            else {
                continue;
            };
            let (group_number, place) = (touched.group, touched.place());
            match (touched.change, place, own) {
                (Change::Put(state, due), Some(place), _) => {
                    if let Some(entry) = group.at_mut(place) {
                        (entry.state, entry.due) = (state, due);
                    }
                }
                (Change::Removed, Some(place), _) => drop(group.take(place)),
                // Put in last: a table that grows moves its entries to other places.
                (Change::Put(state, due), None, Some(own)) => {
                    added.push((group_number, Entry::new(own.key, state, due)));
                }
                _ => {}
            }
        }
        for (group, entry) in added {
            if let Some(Some(group)) = groups.get_mut(usize::from(group.wrapping_sub(self.first))) {
                group.insert(entry);
            }
        }
    }
}

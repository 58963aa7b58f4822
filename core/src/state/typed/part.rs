//! What one partition keeps.

use std::hash::Hash;
use std::ops::Range;
use std::sync::Arc;

use super::dues::Dues;
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

    /// The table with this number, from 0, and its group.
    #[inline]
    pub(crate) fn nth(&self, number: usize) -> Option<(u8, &Group<K, S>)> {
        self.groups.get(number).map(|table| (self.first + number as u8, &**table))
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
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        for touched in touched {
            // In the order in which they were touched, as the own keys are.
            let own = if touched.own().is_some() { own.next() } else { None };
            let index = usize::from(touched.group.wrapping_sub(self.first));
            let Some(Some(group)) = groups.get_mut(index) else { continue };
            let place = touched.place();
            match (touched.change, place, own) {
                (Change::Put(state, due), Some(place), _) => drop(group.set(place, state, due)),
                (Change::Removed, Some(place), _) => removed.push((index, place)),
                (Change::Put(state, due), None, Some(own)) => added.push((index, own.key, state, due)),
                _ => {}
            }
        }
        // The last place first: what comes in the place of one that was taken out is none that is still to go. What is new
        // comes at the end, so that places stay what they were up to there.
        removed.sort_unstable_by(|a, b| b.cmp(a));
        for (index, place) in removed {
            if let Some(Some(group)) = groups.get_mut(index) {
                group.take(place);
            }
        }
        for (index, key, state, due) in added {
            if let Some(Some(group)) = groups.get_mut(index) {
                group.insert(key, state, due);
            }
        }
    }
}

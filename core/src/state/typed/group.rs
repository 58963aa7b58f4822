//! The states of one key group.

use std::hash::{BuildHasher as _, Hash};

use foldhash::fast::FixedState;

use super::due::Due;
use super::index::{Found, Index};

/// Any number: what matters is that a scan has the same order in each run of the same changes.
const SEED: u64 = 0x7469_6465_6d69_6c6c;

/// The hash of a key in the tables of states; it never leaves the process.
#[inline]
pub(crate) fn hash(key: &impl Hash) -> u64 {
    FixedState::with_seed(SEED).hash_one(key)
}

/// The states of one key group: pairs without gaps, which is what a walk over all of them wants, and beside them an index
/// by key.
#[derive(Clone, Debug)]
pub(crate) struct Group<K, S> {
    pairs: Vec<(K, S)>,
    // As long as `pairs`, or empty where no key was ever due.
    dues: Vec<Due>,
    // Invariant: one for each place of `pairs`, under the hash of its key.
    index: Index,
}

impl<K, S> Default for Group<K, S> {
    fn default() -> Self {
        Self { pairs: Vec::new(), dues: Vec::new(), index: Index::default() }
    }
}

impl<K, S> Group<K, S> {
    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// All keys with their states, by their places.
    #[inline]
    pub(crate) fn pairs(&self) -> &[(K, S)] {
        &self.pairs
    }

    /// The key and the state at a place.
    #[inline]
    pub(crate) fn at(&self, place: u32) -> Option<&(K, S)> {
        self.pairs.get(place as usize)
    }

    /// When the key at a place is due.
    #[inline]
    pub(crate) fn due(&self, place: u32) -> Due {
        self.dues.get(place as usize).copied().unwrap_or(Due::NEVER)
    }

    /// Where keys stand.
    #[inline]
    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// Where the key of this hash stands, if it is here; another key of the same hash is possible.
    #[inline]
    pub(crate) fn likely(&self, hash: u64) -> Option<Found> {
        self.index.likely(hash)
    }

    /// Sets the state at a place, and when it is due; when it was before.
    #[inline]
    pub(super) fn set(&mut self, place: u32, state: S, due: Due) -> Due {
        if let Some(pair) = self.pairs.get_mut(place as usize) {
            pair.1 = state;
        }
        if due != Due::NEVER {
            self.dues.resize(self.pairs.len(), Due::NEVER);
        }
        self.dues.get_mut(place as usize).map_or(Due::NEVER, |before| std::mem::replace(before, due))
    }
}

impl<K: Hash + Eq, S> Group<K, S> {
    /// Where a key stands.
    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &K) -> Option<Found> {
        self.index.find(hash, |place| self.is_at(place, key))
    }

    /// Whether it is this key that stands at a place.
    #[inline]
    pub(crate) fn is_at(&self, place: u32, key: &K) -> bool {
        self.at(place).is_some_and(|(there, _)| there == key)
    }

    /// The state of a key.
    pub(crate) fn get(&self, key: &K) -> Option<&S> {
        let found = self.find(hash(key), key)?;
        self.at(found.place).map(|(_, state)| state)
    }

    /// Sets the state of a key that may be there already; when it was due before.
    pub(crate) fn put(&mut self, key: K, state: S, due: Due) -> Due {
        if let Some(found) = self.find(hash(&key), &key) {
            return self.set(found.place, state, due);
        }
        self.insert(key, state, due);
        Due::NEVER
    }

    /// Puts a key in that is not there yet.
    pub(super) fn insert(&mut self, key: K, state: S, due: Due) {
        self.index.insert(hash(&key), self.pairs.len() as u32);
        if due != Due::NEVER || !self.dues.is_empty() {
            self.dues.resize(self.pairs.len(), Due::NEVER);
            self.dues.push(due);
        }
        self.pairs.push((key, state));
    }

    /// Takes a key out, if it is there.
    pub(crate) fn remove(&mut self, key: &K) {
        if let Some(found) = self.find(hash(key), key) {
            self.take(found.place);
        }
    }

    /// Takes the key at a place out; the last one comes in its place, and the others keep theirs.
    pub(super) fn take(&mut self, place: u32) {
        let Some((key, _)) = self.pairs.get(place as usize) else { return };
        self.index.remove(hash(key), place);
        self.pairs.swap_remove(place as usize);
        if !self.dues.is_empty() {
            self.dues.swap_remove(place as usize);
        }
        let last = self.pairs.len() as u32;
        if let Some((moved, _)) = self.pairs.get(place as usize) {
            self.index.moved(hash(moved), last, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is put in and taken out, each key is found with its state and its time, and a walk sees it once.
        #[test]
        fn a_group_is_a_map(changes in prop::collection::vec((0u16..50, any::<Option<(u8, u8)>>()), 0..300)) {
            let (mut group, mut model) = (Group::<u16, u8>::default(), BTreeMap::new());
            for (key, state) in changes {
                if let Some((state, due)) = state {
                    // Half of them are never due.
                    let due = if due < 128 { Due::NEVER } else { Due::at(u64::from(due)) };
                    let before = group.put(key, state, due);
                    let was = model.insert(key, (state, due));
                    prop_assert_eq!(before, was.map_or(Due::NEVER, |(_, due)| due));
                } else {
                    group.remove(&key);
                    model.remove(&key);
                }
                prop_assert_eq!(group.len(), model.len());
            }
            for key in 0..50 {
                prop_assert_eq!(group.get(&key), model.get(&key).map(|(state, _)| state));
                let due = group.find(hash(&key), &key).map(|found| group.due(found.place));
                prop_assert_eq!(due, model.get(&key).map(|(_, due)| *due));
            }
            let walked: BTreeMap<u16, u8> = group.pairs().iter().copied().collect();
            prop_assert_eq!(walked.len(), group.pairs().len());
            prop_assert_eq!(walked, model.iter().map(|(key, (state, _))| (*key, *state)).collect());
            let mut found: Vec<u32> = group.index().all().map(|found| found.place).collect();
            found.sort_unstable();
            prop_assert_eq!(found, (0..group.len() as u32).collect::<Vec<_>>());
        }
    }
}

//! Where keys stand, by their hashes.

use std::sync::atomic::{AtomicU32, Ordering};

/// Places by the hashes of their keys: open addressing with linear probing, in one list of small entries.
///
/// Written here and not taken from a library for one reason: a lookup is in two steps. [`likely`](Self::likely) reads
/// nothing but the list, so a task asks for many keys before it looks at the first key itself, and the processor waits for
/// all of them at once. With 32 bits of the hash in each entry the step after it is wrong once in billions.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    // A power of two of them, or none. Invariant: a quarter is free.
    entries: Vec<Entry>,
    len: usize,
}

/// A place, or nothing.
#[derive(Debug)]
struct Entry {
    tag: u32,
    place: u32,
    // Where the batch that runs keeps its change of this key. It is a hint: who reads it asks whether what stands there
    // is about this place. Only the task of the key's partition writes it, so it is no lock and no order is needed.
    mark: AtomicU32,
}

/// The place of an entry that is free: a group has fewer keys.
const FREE: u32 = u32::MAX;

const ENTRIES_MIN: usize = 8;

impl Entry {
    fn free() -> Self {
        Self { tag: 0, place: FREE, mark: AtomicU32::new(0) }
    }
}

impl Clone for Entry {
    fn clone(&self) -> Self {
        let mark = AtomicU32::new(self.mark.load(Ordering::Relaxed));
        Self { tag: self.tag, place: self.place, mark }
    }
}

/// What of a hash is kept.
#[inline]
fn tag_of(hash: u64) -> u32 {
    (hash ^ (hash >> u32::BITS)) as u32
}

/// A place that was found: good until the index changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) place: u32,
    // Among the entries.
    at: u32,
}

impl Index {
    fn mask(&self) -> usize {
        self.entries.len().wrapping_sub(1)
    }

    /// The entries of a tag, and what is between them, up to the first that is free.
    #[inline]
    fn probe(&self, tag: u32) -> impl Iterator<Item = (usize, &Entry)> {
        let mask = self.mask();
        let mut at = tag as usize & mask;
        std::iter::from_fn(move || {
            let (here, entry) = (at, self.entries.get(at).filter(|entry| entry.place != FREE)?);
            at = (at + 1) & mask;
            Some((here, entry))
        })
    }

    /// The first place whose key may be the one of this hash.
    #[inline]
    pub(super) fn likely(&self, hash: u64) -> Option<Found> {
        self.find(hash, |_| true)
    }

    /// The place for which `is` says that its key is the one of this hash.
    #[inline]
    pub(super) fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<Found> {
        let tag = tag_of(hash);
        let (at, entry) = self.probe(tag).find(|(_, entry)| entry.tag == tag && is(entry.place))?;
        Some(Found { place: entry.place, at: at as u32 })
    }

    /// All places, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = Found> {
        let taken = self.entries.iter().enumerate().filter(|(_, entry)| entry.place != FREE);
        taken.map(|(at, entry)| Found { place: entry.place, at: at as u32 })
    }

    #[inline]
    pub(super) fn mark(&self, found: Found) -> u32 {
        self.entries.get(found.at as usize).map_or(0, |entry| entry.mark.load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn set_mark(&self, found: Found, mark: u32) {
        if let Some(entry) = self.entries.get(found.at as usize) {
            entry.mark.store(mark, Ordering::Relaxed);
        }
    }

    /// Adds a place whose key is not there yet.
    pub(super) fn insert(&mut self, hash: u64, place: u32) {
        if (self.len + 1) * 4 > self.entries.len() * 3 {
            let entries = (self.entries.len() * 2).max(ENTRIES_MIN);
            let before = std::mem::replace(&mut self.entries, (0..entries).map(|_| Entry::free()).collect());
            before.into_iter().filter(|entry| entry.place != FREE).for_each(|entry| self.settle(entry));
        }
        self.settle(Entry { tag: tag_of(hash), place, mark: AtomicU32::new(0) });
        self.len += 1;
    }

    /// Puts an entry where there is room for it.
    fn settle(&mut self, entry: Entry) {
        let mask = self.mask();
        let mut at = entry.tag as usize & mask;
        while let Some(there) = self.entries.get_mut(at) {
            if there.place == FREE {
                *there = entry;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// The key of this hash at `place` stands at another place now.
    pub(super) fn moved(&mut self, hash: u64, place: u32, now: u32) {
        let found = self.find(hash, |there| there == place);
        if let Some(entry) = found.and_then(|found| self.entries.get_mut(found.at as usize)) {
            entry.place = now;
        }
    }

    /// Takes out the place of the key of this hash.
    pub(super) fn remove(&mut self, hash: u64, place: u32) {
        let Some(found) = self.find(hash, |there| there == place) else { return };
        let (mask, mut hole) = (self.mask(), found.at as usize);
        self.len -= 1;
        // Those behind move up, as far as each is not before its own beginning: so no entry is ever marked as removed.
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let Some(next) = self.entries.get(at).filter(|next| next.place != FREE) else { break };
            let from_home = at.wrapping_sub(next.tag as usize) & mask;
            if from_home >= at.wrapping_sub(hole) & mask {
                self.entries.swap(hole, at);
                hole = at;
            }
        }
        if let Some(entry) = self.entries.get_mut(hole) {
            *entry = Entry::free();
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

        /// Few hashes, so that many places share a tag or a way; each is found, and with its mark, whatever was taken out.
        #[test]
        fn an_index_finds_each_place_with_its_mark(
            steps in prop::collection::vec((0u64..40, any::<bool>()), 0..400),
            step in prop::sample::select(vec![1u64, 8, 1 << 32, u64::MAX / 40]),
        ) {
            let (mut index, mut model) = (Index::default(), BTreeMap::new());
            for (time, (key, put)) in (1u32..).zip(steps) {
                // Two keys in one hash.
                let (hash, place) = (key / 2 * step, key as u32);
                match (put, model.contains_key(&place)) {
                    (true, false) => {
                        index.insert(hash, place);
                        let found = index.find(hash, |there| there == place).unwrap();
                        index.set_mark(found, time);
                        model.insert(place, (hash, time));
                    }
                    (false, true) => {
                        index.remove(hash, place);
                        model.remove(&place);
                    }
                    _ => {}
                }
                prop_assert_eq!(index.all().count(), model.len());
                for (place, (hash, mark)) in &model {
                    let found = index.find(*hash, |there| there == *place);
                    prop_assert_eq!(found.map(|found| (found.place, index.mark(found))), Some((*place, *mark)));
                    prop_assert!(index.likely(*hash).is_some());
                }
            }
        }
    }
}

//! The states of one key group.

use std::hash::{BuildHasher as _, Hash};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::entry::{Due, Entry};

/// Any number: what matters is that a scan has the same order in each run of the same changes.
const SEED: u64 = 0x7469_6465_6d69_6c6c;

/// The hash of a key in the tables of states; it never leaves the process.
#[inline]
pub(super) fn hash(key: &impl Hash) -> u64 {
    FixedState::with_seed(SEED).hash_one(key)
}

/// The states of one key group.
#[derive(Clone, Debug)]
pub(crate) struct Group<K, S> {
    table: HashTable<Entry<K, S>>,
}

impl<K, S> Default for Group<K, S> {
    fn default() -> Self {
        Self { table: HashTable::new() }
    }
}

impl<K, S> Group<K, S> {
    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Places of the table, taken or not.
    pub(crate) fn places(&self) -> usize {
        self.table.num_buckets()
    }

    /// The entry at a place.
    #[inline]
    pub(crate) fn at(&self, place: u32) -> Option<&Entry<K, S>> {
        self.table.get_bucket(place as usize)
    }

    #[inline]
    pub(super) fn at_mut(&mut self, place: u32) -> Option<&mut Entry<K, S>> {
        self.table.get_bucket_mut(place as usize)
    }

    /// All entries with their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Entry<K, S>)> {
        self.table.iter_buckets().filter_map(|place| Some((place as u32, self.table.get_bucket(place)?)))
    }

    /// Takes the entry at a place out; the others keep their places.
    pub(super) fn take(&mut self, place: u32) -> Option<Entry<K, S>> {
        Some(self.table.get_bucket_entry(place as usize).ok()?.remove().0)
    }
}

impl<K: Hash + Eq, S> Group<K, S> {
    /// The place of a key, which stays until the group changes.
    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &K) -> Option<u32> {
        self.table.find_bucket_index(hash, |entry| entry.key == *key).map(|place| place as u32)
    }

    /// As [`find`](Self::find), with the hash of the key.
    #[inline]
    pub(crate) fn find_key(&self, key: &K) -> Option<u32> {
        self.find(hash(key), key)
    }

    /// The state of a key.
    pub(crate) fn get(&self, key: &K) -> Option<&S> {
        self.find(hash(key), key).and_then(|place| self.at(place)).map(|entry| &entry.state)
    }

    /// Sets the state of a key that may be there already; when it was due before.
    pub(crate) fn put(&mut self, key: K, state: S, due: Due) -> Due {
        let found = self.find(hash(&key), &key);
        if let Some(entry) = found.and_then(|place| self.at_mut(place)) {
            entry.state = state;
            return std::mem::replace(&mut entry.due, due);
        }
        self.insert(Entry::new(key, state, due));
        Due::NEVER
    }

    /// Puts a key in that is not there yet.
    pub(super) fn insert(&mut self, entry: Entry<K, S>) {
        self.table.insert_unique(hash(&entry.key), entry, |entry| hash(&entry.key));
    }

    /// Takes a key out, if it is there.
    pub(crate) fn remove(&mut self, key: &K) -> Option<Entry<K, S>> {
        let place = self.find(hash(key), key)?;
        self.take(place)
    }
}

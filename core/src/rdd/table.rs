//! A table that combines the values of a key.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};

pub(crate) use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Any number: what matters is that it is always the same.
const SEED: u64 = 0x7469_6465_6d69_6c6c;

/// The hash of every table in a shuffle.
pub(crate) fn hasher() -> FixedState {
    FixedState::with_seed(SEED)
}

/// Keys with what their values were combined to.
///
/// Invariant: the order of its entries is a function of what was put in. So the hash has a fixed seed, and the first
/// size comes from the input too. This hash never leaves the process: where a key belongs is decided by the stable one.
pub(crate) struct Table<K, C> {
    entries: HashTable<(u64, K, C)>,
    hasher: FixedState,
}

impl<K: Hash + Eq, C> Table<K, C> {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { entries: HashTable::with_capacity(capacity), hasher: hasher() }
    }

    /// Puts `value` to its key: `create` for a new key, `merge` otherwise.
    #[inline]
    pub(crate) fn put<V>(
        &mut self,
        key: K,
        value: V,
        create: impl FnOnce(V) -> C,
        merge: impl FnOnce(C, V) -> C,
    ) where
        C: Clone,
    {
        self.put_as(key, |key| key, value, create, merge);
    }

    /// As [`put`](Self::put); clones a key only where it is new.
    #[inline]
    pub(crate) fn put_ref<V>(
        &mut self,
        key: &K,
        value: V,
        create: impl FnOnce(V) -> C,
        merge: impl FnOnce(C, V) -> C,
    ) where
        K: Clone,
        C: Clone,
    {
        self.put_as(key, K::clone, value, create, merge);
    }

    #[inline]
    fn put_as<Q: Borrow<K>, V>(
        &mut self,
        key: Q,
        own: impl FnOnce(Q) -> K,
        value: V,
        create: impl FnOnce(V) -> C,
        merge: impl FnOnce(C, V) -> C,
    ) where
        C: Clone,
    {
        let hash = self.hasher.hash_one(key.borrow());
        let same = |entry: &(u64, K, C)| entry.0 == hash && entry.1 == *key.borrow();
        match self.entries.entry(hash, same, |entry| entry.0) {
            Entry::Occupied(mut found) => {
                if std::mem::needs_drop::<C>() {
                    // Taken out and put back, because a clone may copy a whole list.
                    let ((hash, key, before), vacant) = found.remove();
                    vacant.insert((hash, key, merge(before, value)));
                } else {
                    let before = found.get().2.clone();
                    found.get_mut().2 = merge(before, value);
                }
            }
            Entry::Vacant(vacant) => {
                vacant.insert((hash, own(key), create(value)));
            }
        }
    }

    /// What `key` has, made by `default` where it is new.
    #[inline]
    pub(crate) fn entry(&mut self, key: K, default: impl FnOnce() -> C) -> &mut C {
        self.entry_as(key, |key| key, default)
    }

    /// As [`entry`](Self::entry); clones a key only where it is new.
    #[inline]
    pub(crate) fn entry_ref(&mut self, key: &K, default: impl FnOnce() -> C) -> &mut C
    where
        K: Clone,
    {
        self.entry_as(key, K::clone, default)
    }

    #[inline]
    fn entry_as<Q: Borrow<K>>(
        &mut self,
        key: Q,
        own: impl FnOnce(Q) -> K,
        default: impl FnOnce() -> C,
    ) -> &mut C {
        let hash = self.hasher.hash_one(key.borrow());
        let same = |entry: &(u64, K, C)| entry.0 == hash && entry.1 == *key.borrow();
        match self.entries.entry(hash, same, |entry| entry.0) {
            Entry::Occupied(found) => &mut found.into_mut().2,
            Entry::Vacant(vacant) => &mut vacant.insert((hash, own(key), default())).into_mut().2,
        }
    }

    /// What `key` has.
    pub(crate) fn get(&self, key: &K) -> Option<&C> {
        let hash = self.hasher.hash_one(key);
        self.entries.find(hash, |entry| entry.0 == hash && entry.1 == *key).map(|entry| &entry.2)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn into_entries(self) -> impl Iterator<Item = (K, C)> {
        self.entries.into_iter().map(|(_, key, combined)| (key, combined))
    }
}

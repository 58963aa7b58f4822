//! Keys by number, so that panes need no hash table.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::words::{Error, Result};

/// Any number: what matters is that it is always the same.
const SEED: u64 = 0x7469_6465_7061_6e65;

/// The keys of a window, each with a number as long as anything holds it, and what the newest batch has for some of them.
///
/// A pane is a list of such numbers with values, and what is combined is a list by number: so a record is hashed once,
/// when its batch is computed, and a key is there once, in however many panes it came.
pub(crate) struct Slots<K, V> {
    // Numbers, by the hash of their keys.
    table: HashTable<u32>,
    // By number. Small, because this is what a record looks for.
    keys: Vec<Slot<K>>,
    free: Vec<u32>,
    hasher: FixedState,
    // What the newest batch has: in the order in which the keys came.
    batch: Vec<(u32, Option<V>)>,
}

struct Slot<K> {
    // None for a number that is free.
    key: Option<K>,
    holders: u32,
    // One more than the place in the batch; 0 where it has nothing.
    place: u32,
}

impl<K: Hash + Eq, V> Slots<K, V> {
    pub(crate) fn new() -> Self {
        Self {
            table: HashTable::new(),
            keys: Vec::new(),
            free: Vec::new(),
            hasher: FixedState::with_seed(SEED),
            batch: Vec::new(),
        }
    }

    /// How many numbers there are, free ones included.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// What the newest batch has for the key becomes `merge` of that and `value`, or `value` where it has nothing. The
    /// batch holds the key's number.
    ///
    /// # Errors
    /// [`Error::State`] for more keys than there are numbers.
    #[inline]
    pub(crate) fn put(&mut self, key: K, value: V, merge: impl FnOnce(V, V) -> V) -> Result<()> {
        let Self { table, keys, hasher, .. } = self;
        let hash = hasher.hash_one(&key);
        let same =
            |number: &u32| keys.get(*number as usize).is_some_and(|slot| slot.key.as_ref() == Some(&key));
        let hash_of = |number: &u32| {
            let slot = keys.get(*number as usize);
            // Invariant: what stands in the table is a number of `keys` that has a key.
            slot.and_then(|slot| slot.key.as_ref()).map_or(0, |key| hasher.hash_one(key))
        };
        let number = match table.entry(hash, same, hash_of) {
            Entry::Occupied(found) => *found.get(),
            Entry::Vacant(vacant) => {
                let number = match self.free.pop() {
                    Some(number) => number,
                    None => u32::try_from(keys.len()).map_err(|_| {
                        Error::State("a window holds at most 2^32 keys in a partition".into())
                    })?,
                };
                vacant.insert(number);
                let slot = Slot { key: Some(key), holders: 0, place: 0 };
                match keys.get_mut(number as usize) {
                    Some(free) => *free = slot,
                    None => keys.push(slot),
                }
                number
            }
        };
        let Some(slot) = keys.get_mut(number as usize) else { return Ok(()) };
        let there = (slot.place as usize).checked_sub(1).and_then(|place| self.batch.get_mut(place));
        if let Some((_, there)) = there {
            // Where `merge` fails there is nothing left, and the batch is forgotten.
            *there = Some(match there.take() {
                Some(before) => merge(before, value),
                None => value,
            });
        } else {
            self.batch.push((number, Some(value)));
            slot.place = self.batch.len() as u32;
            slot.holders += 1;
        }
        Ok(())
    }

    /// What the newest batch has, in the order in which its keys came.
    pub(crate) fn batch(&self) -> impl ExactSizeIterator<Item = (Option<&K>, Option<&V>)> {
        let key = |number: u32| self.keys.get(number as usize).and_then(|slot| slot.key.as_ref());
        self.batch.iter().map(move |(number, value)| (key(*number), value.as_ref()))
    }

    /// The last of what the newest batch has.
    pub(crate) fn last(&self) -> Option<(u32, Option<&V>)> {
        self.batch.last().map(|(number, value)| (*number, value.as_ref()))
    }

    /// Takes the last of what the newest batch has. The number is held by who takes it.
    pub(crate) fn pop(&mut self) -> Option<(u32, Option<V>)> {
        let last = self.batch.pop();
        if let Some((number, _)) = &last
            && let Some(slot) = self.keys.get_mut(*number as usize)
        {
            slot.place = 0;
        }
        last
    }

    /// The key of a number that something holds, and what the newest batch has for it.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<(&K, Option<&V>)> {
        let slot = self.keys.get(number as usize)?;
        let place = (slot.place as usize).checked_sub(1);
        let value = place.and_then(|place| self.batch.get(place)).and_then(|(_, value)| value.as_ref());
        Some((slot.key.as_ref()?, value))
    }

    /// One holder less; without any the key goes, and its number is free.
    pub(crate) fn release(&mut self, number: u32) {
        let Some(slot) = self.keys.get_mut(number as usize) else { return };
        slot.holders = slot.holders.saturating_sub(1);
        if slot.holders > 0 {
            return;
        }
        let Some(key) = slot.key.take() else { return };
        if let Ok(found) = self.table.find_entry(self.hasher.hash_one(&key), |other| *other == number) {
            found.remove();
        }
        self.free.push(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Small = Slots<&'static str, u32>;

    fn put(slots: &mut Small, key: &'static str, value: u32) {
        slots.put(key, value, |a, b| a * 10 + b).unwrap();
    }

    /// What the batch has, by number.
    fn batch(slots: &Small) -> Vec<(u32, u32)> {
        slots.batch.iter().map(|(number, value)| (*number, value.unwrap())).collect()
    }

    #[test]
    fn a_key_has_one_number_until_nobody_holds_it() {
        let mut slots = Slots::new();
        for (key, value) in [("ebb", 1), ("flood", 2), ("ebb", 3)] {
            put(&mut slots, key, value);
        }
        assert_eq!(batch(&slots), [(0, 13), (1, 2)]);
        assert_eq!(slots.get(0), Some((&"ebb", Some(&13))));

        // The batch is taken into a pane, which holds the numbers; another batch comes.
        assert_eq!(slots.last(), Some((1, Some(&2))));
        assert_eq!((slots.pop(), slots.pop(), slots.pop()), (Some((1, Some(2))), Some((0, Some(13))), None));
        put(&mut slots, "ebb", 4);
        slots.release(0);
        slots.release(1);
        assert_eq!(slots.get(0), Some((&"ebb", Some(&4))), "the batch holds it");
        assert_eq!(slots.get(1), None);
        put(&mut slots, "surf", 5);
        put(&mut slots, "flood", 6);
        assert_eq!(batch(&slots), [(0, 4), (1, 5), (2, 6)], "a free number is used again");
        assert_eq!(slots.len(), 3);
    }

    #[test]
    fn many_keys_are_found_again() {
        let mut slots: Slots<u64, u64> = Slots::new();
        for round in 0..3 {
            for key in 0..10_000 {
                slots.put(key, 1, |a, b| a + b).unwrap();
            }
            assert_eq!(slots.len(), 10_000, "round {round}");
        }
        assert!((0..10_000).all(|number| slots.get(number).unwrap().1 == Some(&3)));
        while let Some((number, _)) = slots.pop() {
            slots.release(number);
        }
        slots.put(7, 1, |a, b| a + b).unwrap();
        assert_eq!((slots.len(), slots.table.len()), (10_000, 1));
    }
}

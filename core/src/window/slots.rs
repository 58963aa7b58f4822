//! Keys by number, so that panes need no hash table.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::words::{Error, Result};

/// Any number: what matters is that it is always the same.
const SEED: u64 = 0x7469_6465_7061_6e65;

/// The keys of a window, each with a number as long as anything holds it, and what the newest batch has for it.
///
/// A pane is a list of such numbers with values, and what is combined is a list by number: so a record is hashed once,
/// when its batch is computed, and a key is there once, in however many panes it came.
pub(crate) struct Slots<K, V> {
    // Some bits of the hash, so that most keys that differ are not compared; and the number.
    table: HashTable<(u32, u32)>,
    // By number.
    keys: Vec<Slot<K, V>>,
    free: Vec<u32>,
    hasher: FixedState,
}

struct Slot<K, V> {
    hash: u64,
    // None for a number that is free.
    key: Option<K>,
    holders: u32,
    // Beside the key, because who looks for the key wants this.
    value: Option<V>,
}

/// The bits of a hash that stand in the table. hashbrown takes the lowest and the highest ones, so these are between.
fn tag(hash: u64) -> u32 {
    (hash >> 16) as u32
}

impl<K: Hash + Eq, V> Slots<K, V> {
    pub(crate) fn new() -> Self {
        let hasher = FixedState::with_seed(SEED);
        Self { table: HashTable::new(), keys: Vec::new(), free: Vec::new(), hasher }
    }

    /// How many numbers there are, free ones included.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// What the newest batch has for the key becomes `merge` of that and `value`, or `value` where it has nothing.
    /// `new` hears of the number in the latter case, and holds it from then on.
    ///
    /// # Errors
    /// [`Error::State`] for more keys than there are numbers.
    #[inline]
    pub(crate) fn put(
        &mut self,
        key: K,
        value: V,
        merge: impl FnOnce(V, V) -> V,
        new: impl FnOnce(u32),
    ) -> Result<()> {
        let hash = self.hasher.hash_one(&key);
        let keys = &self.keys;
        let same = |&(bits, number): &(u32, u32)| {
            bits == tag(hash) && keys.get(number as usize).is_some_and(|slot| slot.key.as_ref() == Some(&key))
        };
        let hash_of =
            |&(_, number): &(u32, u32)| keys.get(number as usize).map_or(0, |slot: &Slot<K, V>| slot.hash);
        match self.table.entry(hash, same, hash_of) {
            Entry::Occupied(found) => {
                let number = found.get().1;
                // Invariant: what stands in the table is a number of `keys`.
                if let Some(slot) = self.keys.get_mut(number as usize) {
                    match slot.value.take() {
                        Some(before) => slot.value = Some(merge(before, value)),
                        None => {
                            // After `merge` has failed in another try it is none, too: the batch is forgotten then.
                            slot.value = Some(value);
                            slot.holders += 1;
                            new(number);
                        }
                    }
                }
            }
            Entry::Vacant(vacant) => {
                let slot = Slot { hash, key: Some(key), holders: 1, value: Some(value) };
                let number = match self.free.pop() {
                    Some(number) => number,
                    None => u32::try_from(self.keys.len()).map_err(|_| {
                        Error::State("a window holds at most 2^32 keys in a partition".into())
                    })?,
                };
                vacant.insert((tag(hash), number));
                match self.keys.get_mut(number as usize) {
                    Some(free) => *free = slot,
                    None => self.keys.push(slot),
                }
                new(number);
            }
        }
        Ok(())
    }

    /// The key of a number that something holds, and what the newest batch has for it.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<(&K, Option<&V>)> {
        let slot = self.keys.get(number as usize)?;
        Some((slot.key.as_ref()?, slot.value.as_ref()))
    }

    /// Takes what the newest batch has; who holds the number goes on to.
    pub(crate) fn take(&mut self, number: u32) -> Option<V> {
        self.keys.get_mut(number as usize)?.value.take()
    }

    /// One holder less; without any the key goes, and its number is free.
    pub(crate) fn release(&mut self, number: u32) {
        let Some(slot) = self.keys.get_mut(number as usize) else { return };
        slot.holders = slot.holders.saturating_sub(1);
        if slot.holders > 0 {
            return;
        }
        if let Ok(found) = self.table.find_entry(slot.hash, |entry| entry.1 == number) {
            found.remove();
        }
        (slot.key, slot.value) = (None, None);
        self.free.push(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts, and says which number is new to the batch.
    fn put(slots: &mut Slots<&'static str, u32>, key: &'static str, value: u32) -> Option<u32> {
        let mut new = None;
        slots.put(key, value, |a, b| a * 10 + b, |number| new = Some(number)).unwrap();
        new
    }

    #[test]
    fn a_key_has_one_number_until_nobody_holds_it() {
        let mut slots = Slots::new();
        assert_eq!(put(&mut slots, "ebb", 1), Some(0));
        assert_eq!(put(&mut slots, "flood", 2), Some(1));
        assert_eq!(put(&mut slots, "ebb", 3), None, "it is in the batch already");
        assert_eq!(slots.get(0), Some((&"ebb", Some(&13))));

        // The batch is taken into a pane, which holds the numbers; another batch comes.
        assert_eq!((slots.take(0), slots.take(1)), (Some(13), Some(2)));
        assert_eq!(put(&mut slots, "ebb", 4), Some(0), "new to this batch");
        slots.release(0);
        slots.release(1);
        assert_eq!(slots.get(0), Some((&"ebb", Some(&4))), "the batch holds it");
        assert_eq!(slots.get(1), None);
        assert_eq!(put(&mut slots, "surf", 5), Some(1), "a free number is used again");
        assert_eq!(put(&mut slots, "flood", 6), Some(2));
        assert_eq!(slots.len(), 3);
    }

    #[test]
    fn many_keys_are_found_again() {
        let mut slots: Slots<u64, u64> = Slots::new();
        for round in 0..3 {
            for key in 0..10_000 {
                slots.put(key, 1, |a, b| a + b, |_| ()).unwrap();
            }
            assert_eq!(slots.len(), 10_000, "round {round}");
        }
        assert!((0..10_000).all(|number| slots.get(number).unwrap().1 == Some(&3)));
        (0..10_000).for_each(|number| slots.release(number));
        slots.put(7, 1, |a, b| a + b, |_| ()).unwrap();
        assert_eq!((slots.len(), slots.table.len()), (10_000, 1));
    }
}

//! What a batch changes in a partition, while nothing of it counts yet.

use std::hash::Hash;

use hashbrown::HashTable;

use super::due::Due;
use super::group::{Group, hash};
use super::index::Found;
use crate::words::{Error, Result};

/// Bits of a mark that say where; those above say in whose overlay.
const INDEX_BITS: u32 = 26;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;

/// A key that a task has touched: good for the overlay that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u32);

impl Slot {
    /// The number of the key among those that were touched.
    #[inline]
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What becomes of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change<S> {
    /// It was only looked at.
    Nothing,
    /// It has this state now.
    Put(S, Due),
    /// It has no state any more.
    Removed,
}

/// A key that was touched.
#[derive(Clone, Debug)]
pub(crate) struct Touched<S> {
    pub(crate) change: Change<S>,
    pub(crate) group: u8,
    /// Whether the key was found in the index of times, which has forgotten it then.
    pub(crate) looked: bool,
    // Whether the key is among the overlay's own, and no key of the table.
    own: bool,
    // Its place in the table of the group, or among the overlay's own keys.
    place: u32,
}

impl<S> Touched<S> {
    /// The place in its group's table; `None` for a key of the overlay's own.
    #[inline]
    pub(crate) fn place(&self) -> Option<u32> {
        (!self.own).then_some(self.place)
    }

    /// The place among the overlay's own keys.
    #[inline]
    pub(crate) fn own(&self) -> Option<usize> {
        self.own.then_some(self.place as usize)
    }
}

/// A key that is in no table here: it is new, or its table is in a store.
#[derive(Clone, Debug)]
pub(crate) struct Own<K, S> {
    pub(crate) key: K,
    /// What a store has of it.
    pub(crate) before: Option<(S, Due)>,
    slot: Slot,
}

fn too_many() -> Error {
    let max = INDEX_MASK + 1;
    Error::State(format!(
        "a task has touched more than {max} keys in one batch: keep the states in more partitions"
    ))
}

/// Keys of tables that were touched, by group and place: for who walks over the tables.
#[derive(Debug, Default)]
pub(crate) struct InOrder {
    // Each the group, the place and the slot, from the highest bits to the lowest.
    all: Vec<u64>,
    next: usize,
}

/// Bits of a place: a group of more keys would not fit into the memory of any machine.
const PLACE_BITS: u32 = 31;

impl InOrder {
    /// The next one, if it is in the table of `group`: its place and its slot. Groups and places come in rising order.
    #[inline]
    pub(crate) fn peek(&self, group: u8) -> Option<(usize, Slot)> {
        let one = *self.all.get(self.next)?;
        let place = one >> INDEX_BITS & ((1 << PLACE_BITS) - 1);
        (one >> (PLACE_BITS + INDEX_BITS) == u64::from(group))
            .then_some((place as usize, Slot(one as u32 & INDEX_MASK)))
    }

    /// Goes on to the one after that.
    #[inline]
    pub(crate) fn advance(&mut self) {
        self.next += 1;
    }
}

/// What one try of a task changes.
#[derive(Clone, Debug)]
pub(crate) struct Overlay<K, S> {
    turn: u32,
    touched: Vec<Touched<S>>,
    own: Vec<Own<K, S>>,
    by_key: HashTable<u32>,
}

impl<K, S> Default for Overlay<K, S> {
    fn default() -> Self {
        Self { turn: 0, touched: Vec::new(), own: Vec::new(), by_key: HashTable::new() }
    }
}

impl<K, S> Overlay<K, S> {
    /// Nothing is touched; `turn` tells the marks of one try from those of the tries before. The memory stays.
    pub(crate) fn begin(&mut self, turn: u32) {
        self.turn = turn << INDEX_BITS;
        self.touched.clear();
        self.own.clear();
        self.by_key.clear();
    }

    /// Whether its memory is worth keeping: not where a batch needed much more than the others.
    pub(crate) fn is_handy(&self) -> bool {
        self.touched.capacity() <= 4 * self.touched.len() + 1024
    }

    /// How many keys were touched.
    pub(crate) fn len(&self) -> usize {
        self.touched.len()
    }

    /// All keys that were touched, in the order in which they were.
    pub(crate) fn touched(&self) -> &[Touched<S>] {
        &self.touched
    }

    /// One of the own keys.
    pub(crate) fn own(&self, index: usize) -> Option<&Own<K, S>> {
        self.own.get(index)
    }

    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> Option<&Touched<S>> {
        self.touched.get(slot.index())
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Touched<S>> {
        self.touched.get_mut(slot.index())
    }

    /// The keys that were touched so far.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + use<K, S> {
        (0..self.touched.len() as u32).map(Slot)
    }

    /// Says what a store has of an own key.
    pub(crate) fn set_before(&mut self, slot: Slot, before: (S, Due)) {
        let own = self.get(slot).and_then(Touched::own);
        if let Some(own) = own.and_then(|own| self.own.get_mut(own)) {
            own.before = Some(before);
        }
    }

    /// One of the own keys, to be detached from its batch.
    pub(crate) fn own_mut(&mut self, index: usize) -> Option<&mut Own<K, S>> {
        self.own.get_mut(index)
    }

    /// All parts: what was touched, and the own keys in their order.
    pub(super) fn take_parts(
        &mut self,
    ) -> (impl Iterator<Item = Touched<S>>, impl Iterator<Item = Own<K, S>>) {
        (self.touched.drain(..), self.own.drain(..))
    }

    /// The slot of a key of `table`, a new one where it was not touched before.
    ///
    /// # Errors
    /// Where a task touches more keys than a mark can tell apart.
    #[inline]
    pub(crate) fn touch(&mut self, table: &Group<K, S>, group: u8, found: Found) -> Result<Slot> {
        let mark = table.index().mark(found);
        if mark & !INDEX_MASK == self.turn {
            let slot = Slot(mark & INDEX_MASK);
            // A mark may be one of a try long ago: what it points to knows whom it is about.
            let there = self.touched.get(slot.index());
            if there.is_some_and(|there| there.place == found.place && there.group == group && !there.own) {
                return Ok(slot);
            }
        }
        let slot = self.push(group, false, found.place)?;
        table.index().set_mark(found, self.turn | slot.0);
        Ok(slot)
    }

    /// As [`touch`](Self::touch), for the key at a place that was not touched before and is not looked up after.
    ///
    /// # Errors
    /// As [`touch`](Self::touch).
    #[inline]
    pub(crate) fn touch_last(&mut self, group: u8, place: u32) -> Result<Slot> {
        self.push(group, false, place)
    }

    /// Every key of `table` is touched.
    ///
    /// # Errors
    /// As [`touch`](Self::touch).
    pub(crate) fn touch_all(&mut self, table: &Group<K, S>, group: u8) -> Result<()> {
        table.index().all().try_for_each(|found| self.touch(table, group, found).map(drop))
    }

    /// The keys of tables that were touched, in the order of the tables and their places.
    pub(crate) fn in_order(&self) -> InOrder {
        let of_table = |(slot, touched): (u32, &Touched<S>)| {
            let place = u64::from(touched.place()?);
            Some(
                u64::from(touched.group) << (PLACE_BITS + INDEX_BITS) | place << INDEX_BITS | u64::from(slot),
            )
        };
        let mut all: Vec<u64> = (0..).zip(&self.touched).filter_map(of_table).collect();
        all.sort_unstable();
        InOrder { all, next: 0 }
    }

    #[inline]
    fn push(&mut self, group: u8, own: bool, place: u32) -> Result<Slot> {
        if self.touched.len() > INDEX_MASK as usize {
            return Err(too_many());
        }
        let slot = Slot(self.touched.len() as u32);
        self.touched.push(Touched { change: Change::Nothing, group, looked: false, own, place });
        Ok(slot)
    }
}

impl<K: Hash + Eq, S> Overlay<K, S> {
    /// The slot of an own key, if it was touched.
    pub(crate) fn find_own(&self, key: &K) -> Option<Slot> {
        self.find_hashed(hash(key), key)
    }

    fn find_hashed(&self, hash: u64, key: &K) -> Option<Slot> {
        let same = |index: &u32| self.own.get(*index as usize).is_some_and(|own| own.key == *key);
        self.by_key.find(hash, same).and_then(|index| self.own.get(*index as usize)).map(|own| own.slot)
    }

    /// A slot for a key that is in no table and was not touched before; `before` is what a store has of it.
    ///
    /// # Errors
    /// As [`touch`](Self::touch).
    pub(crate) fn add_own(&mut self, group: u8, key: K, before: Option<(S, Due)>) -> Result<Slot> {
        self.add_hashed(hash(&key), group, key, before)
    }

    fn add_hashed(&mut self, hash_of: u64, group: u8, key: K, before: Option<(S, Due)>) -> Result<Slot> {
        let index = self.own.len() as u32;
        let slot = self.push(group, true, index)?;
        self.own.push(Own { key, before, slot });
        let own = &self.own;
        let hasher = |index: &u32| own.get(*index as usize).map_or(0, |own| hash(&own.key));
        self.by_key.insert_unique(hash_of, index, hasher);
        Ok(slot)
    }

    /// The slot of a key: that of its entry in `table`, or one of its own.
    ///
    /// # Errors
    /// As [`touch`](Self::touch).
    #[inline]
    pub(crate) fn touch_in(&mut self, table: &Group<K, S>, group: u8, key: &K) -> Result<Slot>
    where
        K: Clone,
    {
        let hash = hash(key);
        if let Some(found) = table.find(hash, key) {
            return self.touch(table, group, found);
        }
        match self.find_hashed(hash, key) {
            Some(slot) => Ok(slot),
            None => self.add_hashed(hash, group, key.clone(), None),
        }
    }

    /// As [`touch_in`](Self::touch_in), for a key that may be unknown: it is not touched then.
    ///
    /// # Errors
    /// As [`touch`](Self::touch).
    pub(crate) fn touch_known(&mut self, table: &Group<K, S>, group: u8, key: &K) -> Result<Option<Slot>> {
        let hash = hash(key);
        if let Some(found) = table.find(hash, key) {
            return self.touch(table, group, found).map(Some);
        }
        Ok(self.find_hashed(hash, key))
    }
}

//! The entries of one key group in one buffer, with a table of where each is.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::data::KeyGroup;
use crate::state::changes::{Change, Changes};

/// Any number: what matters is that a scan has the same order in each run of the same changes.
const SEED: u64 = 0x7469_6465_6d69_6c6c;

/// Below this, a buffer with holes is not worth a copy.
const DEAD_BYTES_MIN: usize = 4096;

/// The entries of one group.
///
/// Key and value lie behind each other in one buffer, so a copy is two copies of memory, whatever the number of entries.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    // Invariant: each slot's bytes lie within `bytes`; no two slots have equal keys.
    bytes: Vec<u8>,
    table: HashTable<Slot>,
    // Bytes that no slot needs any more.
    dead: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    start: usize,
    key_bytes: usize,
    value_bytes: usize,
}

impl Slot {
    fn key(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start..self.start + self.key_bytes).unwrap_or_default()
    }

    fn value(self, bytes: &[u8]) -> &[u8] {
        let start = self.start + self.key_bytes;
        bytes.get(start..start + self.value_bytes).unwrap_or_default()
    }
}

fn hash(key: &[u8]) -> u64 {
    FixedState::with_seed(SEED).hash_one(key)
}

impl Group {
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let found = self.table.find(hash(key), |slot| slot.key(&self.bytes) == key);
        found.map(|slot| slot.value(&self.bytes))
    }

    pub(super) fn change(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Self { bytes, table, dead } = self;
        let entry = table.entry(hash(key), |slot| slot.key(bytes) == key, |slot| hash(slot.key(bytes)));
        match (entry, value) {
            (Entry::Vacant(_), None) => {}
            (Entry::Vacant(vacant), Some(value)) => {
                vacant.insert(append(bytes, key, value));
            }
            (Entry::Occupied(found), None) => {
                let (slot, _) = found.remove();
                *dead += slot.key_bytes + slot.value_bytes;
            }
            (Entry::Occupied(mut found), Some(value)) => {
                let slot = found.get_mut();
                let start = slot.start + slot.key_bytes;
                match bytes.get_mut(start..start + value.len()) {
                    // A counter that grows by a byte now and then is all that a batch moves.
                    Some(place) if value.len() <= slot.value_bytes => {
                        place.copy_from_slice(value);
                        *dead += slot.value_bytes - value.len();
                        slot.value_bytes = value.len();
                    }
                    _ => {
                        *dead += slot.key_bytes + slot.value_bytes;
                        *slot = append(bytes, key, value);
                    }
                }
            }
        }
    }

    /// Closes the holes where they are more than half of the buffer.
    pub(super) fn tidy(&mut self) {
        if self.dead < DEAD_BYTES_MIN || self.dead <= self.bytes.len() / 2 {
            return;
        }
        let mut bytes = Vec::with_capacity(self.bytes.len() - self.dead);
        for slot in &mut self.table {
            *slot = append(&mut bytes, slot.key(&self.bytes), slot.value(&self.bytes));
        }
        self.bytes = bytes;
        self.dead = 0;
    }

    /// Appends entries from place `from` of the table on, until `chunk` has `bytes_max` bytes; the place to go on from.
    pub(super) fn scan(&self, group: KeyGroup, from: usize, bytes_max: usize, chunk: &mut Changes) -> usize {
        let mut at = from;
        while at < self.table.num_buckets() && chunk.as_bytes().len() < bytes_max {
            if let Some(slot) = self.table.get_bucket(at) {
                let value = Some(slot.value(&self.bytes));
                chunk.push(Change { group, key: slot.key(&self.bytes), value });
            }
            at += 1;
        }
        at
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    #[cfg(test)]
    fn buffer_bytes(&self) -> usize {
        self.bytes.len()
    }
}

fn append(bytes: &mut Vec<u8>, key: &[u8], value: &[u8]) -> Slot {
    let start = bytes.len();
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(value);
    Slot { start, key_bytes: key.len(), value_bytes: value.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_closed_before_they_are_most_of_the_buffer() {
        let mut group = Group::default();
        group.change(b"stays", Some(b"here"));
        let mut largest = 0;
        for round in 0..1000_usize {
            // Always longer than before, so that it cannot stay in its place.
            group.change(b"moves", Some(&vec![round as u8; round]));
            group.tidy();
            largest = largest.max(group.buffer_bytes());
        }

        assert_eq!(group.get(b"stays"), Some(&b"here"[..]));
        assert_eq!(group.get(b"moves"), Some(&vec![231; 999][..]));
        assert!(largest < 2 * (DEAD_BYTES_MIN + 1100), "{largest} bytes for 1 kB");

        group.change(b"moves", None);
        group.change(b"stays", None);
        assert!(group.is_empty());
    }

    #[test]
    fn a_shorter_value_takes_the_place_of_the_longer_one() {
        let mut group = Group::default();
        group.change(b"key", Some(b"a long value"));
        group.change(b"key", Some(b"short"));
        group.change(b"other", Some(b""));

        assert_eq!(group.get(b"key"), Some(&b"short"[..]));
        assert_eq!(group.get(b"other"), Some(&b""[..]));
        assert_eq!(group.buffer_bytes(), b"keya long valueother".len());
    }
}

//! The entries that batches touch, in memory before the database: a batch that finds all its keys here reads no file.
//!
//! A key group is a table of two generations. What is read or written comes into the young one; when that is full it becomes
//! the old one, and what was in the old one and was not touched since is forgotten. So an entry costs no links and no clock,
//! and what is touched in every batch stays.
//!
//! What a batch writes is only put beside the tables, and taken in when their group is asked next: that is in the tasks of the
//! next batch, which work side by side, while all wait for who writes a batch.

use std::hash::BuildHasher as _;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use parking_lot::Mutex;

/// Not that of other tables of the same keys: with one hash, a table that is filled in the order of another is slow.
const SEED: u64 = 0x5ea5_1de5;

/// What a slot takes beside its bytes, with the table's spare room.
const SLOT_BYTES: usize = 24;

/// The largest generation: places in its buffer are of 32 bits.
const GENERATION_BYTES_MAX: usize = 1 << 30;

/// What all stores of a backend may keep here, shared evenly among their key groups.
#[derive(Debug)]
pub(crate) struct Share {
    bytes: usize,
    groups: AtomicUsize,
}

impl Share {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { bytes, groups: AtomicUsize::new(0) }
    }

    /// What a generation of one group may take.
    fn generation_bytes(&self) -> usize {
        (self.bytes / self.groups.load(Ordering::Relaxed).max(1) / 2).min(GENERATION_BYTES_MAX)
    }
}

/// The entries of one store that are kept.
pub(crate) struct Hot {
    groups: Range<u8>,
    tables: Vec<Mutex<Table>>,
    share: Arc<Share>,
}

impl Hot {
    pub(crate) fn new(groups: Range<u8>, share: Arc<Share>) -> Self {
        share.groups.fetch_add(groups.len(), Ordering::Relaxed);
        Self { tables: groups.clone().map(|_| Mutex::default()).collect(), groups, share }
    }

    /// Does something with the entries of a group, which nobody else touches meanwhile; `None` for a group that is not in
    /// here.
    pub(crate) fn with<T>(&self, group: u8, act: impl FnOnce(&mut Table) -> T) -> Option<T> {
        let table = self.tables.get(usize::from(group.checked_sub(self.groups.start)?))?;
        let mut table = table.lock();
        // Stores come and go, so it is asked each time.
        table.generation_bytes = self.share.generation_bytes();
        table.take_in();
        Some(act(&mut table))
    }

    /// Keeps what a batch writes in a group; `None` is a key that it removes. No more than one batch waits to be taken in.
    pub(crate) fn write<'a>(
        &self,
        group: u8,
        changes: impl ExactSizeIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) {
        self.with(group, |table| {
            let Written { bytes, lengths } = &mut table.written;
            lengths.reserve(changes.len());
            for (key, value) in changes {
                bytes.extend_from_slice(key);
                bytes.extend_from_slice(value.unwrap_or_default());
                lengths.push((key.len(), value.map(<[u8]>::len)));
            }
        });
    }
}

impl Drop for Hot {
    fn drop(&mut self) {
        self.share.groups.fetch_sub(self.groups.len(), Ordering::Relaxed);
    }
}

/// The entries of a key group that are kept.
#[derive(Default)]
pub(crate) struct Table {
    young: Generation,
    old: Generation,
    generation_bytes: usize,
    written: Written,
}

/// What a batch wrote and is not in the generations yet, in its order.
#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    /// Of each key, and of its value unless it was removed.
    lengths: Vec<(usize, Option<usize>)>,
}

impl Table {
    /// The value of a key that is kept.
    pub(crate) fn get(&mut self, key: &[u8]) -> Option<&[u8]> {
        let hash = hash(key);
        if let Some(slot) = self.young.slot(hash, key) {
            return self.young.bytes.get(slot.value());
        }
        let slot = self.old.take(hash, key)?;
        let value = self.old.bytes.get(slot.value()).unwrap_or_default();
        self.young.set(hash, key, value);
        self.turn();
        let generation = if self.young.slot(hash, key).is_some() { &self.young } else { &self.old };
        generation.bytes.get(generation.slot(hash, key)?.value())
    }

    fn take_in(&mut self) {
        let mut written = std::mem::take(&mut self.written);
        let mut rest = written.bytes.as_slice();
        for (key_bytes, value_bytes) in written.lengths.drain(..) {
            // Invariant: the bytes are as many as the lengths say.
            let Some(key) = rest.split_off(..key_bytes) else { break };
            match value_bytes {
                Some(value_bytes) => match rest.split_off(..value_bytes) {
                    Some(value) => self.set(key, value),
                    None => break,
                },
                None => self.remove(key),
            }
        }
        // Its memory is used again, but for what an unusually large batch left.
        if written.bytes.capacity() + written.lengths.capacity() * SLOT_BYTES <= self.generation_bytes {
            written.bytes.clear();
            self.written = written;
        }
    }

    /// Keeps an entry.
    pub(crate) fn set(&mut self, key: &[u8], value: &[u8]) {
        let hash = hash(key);
        self.old.take(hash, key);
        // What would push out many others is read again.
        if (key.len() + value.len()).saturating_mul(16) > self.generation_bytes {
            self.young.take(hash, key);
            return;
        }
        self.young.set(hash, key, value);
        self.turn();
    }

    /// Forgets a key.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        let hash = hash(key);
        self.young.take(hash, key);
        self.old.take(hash, key);
    }

    fn turn(&mut self) {
        if self.young.size() > self.generation_bytes {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
    }
}

/// Entries in one buffer, found by a table of their places.
#[derive(Default)]
struct Generation {
    bytes: Vec<u8>,
    table: HashTable<Slot>,
}

#[derive(Clone, Copy)]
struct Slot {
    start: u32,
    key_bytes: u32,
    value_bytes: u32,
}

impl Slot {
    fn key(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.value().start).unwrap_or_default()
    }

    fn value(self) -> Range<usize> {
        let start = self.start as usize + self.key_bytes as usize;
        start..start + self.value_bytes as usize
    }
}

fn hash(key: &[u8]) -> u64 {
    FixedState::with_seed(SEED).hash_one(key)
}

impl Generation {
    fn slot(&self, hash: u64, key: &[u8]) -> Option<Slot> {
        self.table.find(hash, |slot| slot.key(&self.bytes) == key).copied()
    }

    fn set(&mut self, hash: u64, key: &[u8], value: &[u8]) {
        let Self { bytes, table } = self;
        match table.entry(hash, |slot| slot.key(bytes) == key, |slot| self::hash(slot.key(bytes))) {
            Entry::Occupied(mut found) => {
                let slot = found.get_mut();
                match bytes.get_mut(slot.value()) {
                    Some(place) if place.len() == value.len() => place.copy_from_slice(value),
                    _ => *slot = append(bytes, key, value),
                }
            }
            Entry::Vacant(vacant) => {
                vacant.insert(append(bytes, key, value));
            }
        }
    }

    /// Forgets a key, whose bytes stay until something is written.
    fn take(&mut self, hash: u64, key: &[u8]) -> Option<Slot> {
        let found = self.table.find_entry(hash, |slot| slot.key(&self.bytes) == key).ok()?;
        Some(found.remove().0)
    }

    fn size(&self) -> usize {
        self.bytes.len() + self.table.len() * SLOT_BYTES
    }

    /// Forgets all and keeps the memory.
    fn clear(&mut self) {
        self.bytes.clear();
        self.table.clear();
    }
}

fn append(bytes: &mut Vec<u8>, key: &[u8], value: &[u8]) -> Slot {
    let start = bytes.len() as u32;
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(value);
    Slot { start, key_bytes: key.len() as u32, value_bytes: value.len() as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hot(bytes: usize) -> (Hot, Arc<Share>) {
        let share = Arc::new(Share::new(bytes));
        (Hot::new(3..4, Arc::clone(&share)), share)
    }

    fn get(hot: &Hot, key: &str) -> Option<String> {
        let found = hot.with(3, |table| table.get(key.as_bytes()).map(<[u8]>::to_vec)).unwrap();
        found.map(|value| String::from_utf8(value).unwrap())
    }

    fn set(hot: &Hot, key: &str, value: &str) {
        hot.with(3, |table| table.set(key.as_bytes(), value.as_bytes())).unwrap();
    }

    fn bytes(hot: &Hot) -> usize {
        hot.with(3, |table| table.young.size() + table.old.size()).unwrap()
    }

    #[test]
    fn what_is_touched_stays_and_all_of_it_has_a_bound() {
        let (hot, _) = hot(10_000);
        set(&hot, "touched", "by each");
        for number in 0..10_000 {
            set(&hot, &format!("once-{number}"), "by one");
            assert_eq!(get(&hot, "touched").as_deref(), Some("by each"), "after {number} others");
            assert!(bytes(&hot) < 10_200, "{} bytes", bytes(&hot));
        }
        assert_eq!(get(&hot, "once-0"), None, "it was pushed out");
        assert_eq!(get(&hot, "once-9999").as_deref(), Some("by one"));
    }

    #[test]
    fn the_last_value_is_found_in_whichever_generation_the_one_before_was() {
        for others in [0, 50, 100, 200, 400] {
            let (hot, _) = hot(10_000);
            set(&hot, "key", "first");
            (0..others).for_each(|number| set(&hot, &format!("other-{number}"), "of some length"));
            set(&hot, "key", "another");
            assert_eq!(get(&hot, "key").as_deref(), Some("another"), "{others} between");
            (0..others).for_each(|number| set(&hot, &format!("more-{number}"), "of some length"));
            hot.with(3, |table| table.remove(b"key")).unwrap();
            assert_eq!(get(&hot, "key"), None, "{others} between");
        }
    }

    #[test]
    fn a_value_that_is_too_large_is_not_kept_nor_is_the_one_before() {
        let (hot, _) = hot(10_000);
        set(&hot, "key", "small");
        set(&hot, "key", &"large".repeat(1000));

        assert_eq!(get(&hot, "key"), None);
    }

    #[test]
    fn what_a_batch_wrote_is_what_is_found_next() {
        let (hot, _) = hot(10_000);
        let write = |changes: &[(&str, Option<&str>)]| {
            hot.write(3, changes.iter().map(|(key, value)| (key.as_bytes(), value.map(str::as_bytes))));
        };
        set(&hot, "read", "before");
        write(&[("read", Some("first")), ("gone", Some("first")), ("empty", Some(""))]);
        write(&[("gone", None), ("twice", Some("first")), ("twice", Some("second"))]);
        set(&hot, "gone-too", "before");
        write(&[("gone-too", None), ("never", None)]);

        assert_eq!(get(&hot, "read").as_deref(), Some("first"));
        assert_eq!(get(&hot, "twice").as_deref(), Some("second"));
        assert_eq!(get(&hot, "empty").as_deref(), Some(""));
        for key in ["gone", "gone-too", "never"] {
            assert_eq!(get(&hot, key), None, "{key}");
        }
    }

    #[test]
    fn one_batch_at_most_waits_to_be_taken_in() {
        let (hot, _) = hot(10_000);
        let waiting = || hot.tables[0].lock().written.bytes.len();
        for _ in 0..50 {
            hot.write(3, [(&b"key"[..], Some(&b"value"[..]))].into_iter());
            assert_eq!(waiting(), 8);
        }
        assert_eq!(get(&hot, "key").as_deref(), Some("value"));
        assert_eq!(waiting(), 0);
    }

    #[test]
    fn stores_share_the_bound_while_they_are_there() {
        let (hot, share) = hot(10_000);
        let alone = share.generation_bytes();
        let other = Hot::new(0..9, Arc::clone(&share));
        assert_eq!(share.generation_bytes(), alone / 10);
        drop(other);
        assert_eq!(share.generation_bytes(), alone);
        assert!(hot.with(4, |_| ()).is_none(), "a group of another member");
    }
}

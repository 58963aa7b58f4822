//! What the suite of state stores compares with, and how it asks a store.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::state::{Changes, Keys, ScanCursor, StateBackend, StateOpening, StateStore, StateView, Values};
use crate::storage::MemoryStorage;
use crate::{BatchTime, KeyGroup};

/// What a store should hold: group and key, and the value.
pub(super) type Model = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// All groups that there are.
pub(super) const ALL: Range<u8> = 0..128;

/// Random numbers by the `SplitMix64` recurrence: the same in each run.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// Few keys, so that they meet again: empty ones, prefixes of each other, and the same in several groups.
    pub(super) fn key(&mut self) -> Vec<u8> {
        let digits = self.below(400).to_string().into_bytes();
        digits[..self.below(digits.len() as u64 + 1) as usize].to_vec()
    }

    fn value(&mut self) -> Vec<u8> {
        let length = if self.below(20) == 0 { self.below(5000) } else { self.below(20) };
        (0..length).map(|_| self.below(256) as u8).collect()
    }

    /// The delta of a batch in the buffers of some tasks, and the same in the model.
    pub(super) fn delta(&mut self, groups: &Range<u8>, model: &mut Model) -> Vec<Changes> {
        let tasks = 1 + self.below(3);
        let mut changes = |_| {
            let mut changes = Changes::new();
            for _ in 0..self.below(120) {
                let index = groups.start + self.below(groups.len() as u64) as u8;
                let key = self.key();
                if self.below(3) == 0 {
                    changes.remove(group(index), &key);
                    model.remove(&(index, key));
                } else {
                    let value = self.value();
                    changes.put(group(index), &key, &value);
                    model.insert((index, key), value);
                }
            }
            changes
        };
        (0..tasks).map(&mut changes).collect()
    }
}

pub(super) fn group(index: u8) -> KeyGroup {
    KeyGroup::from_index(index).unwrap()
}

pub(super) fn batch(number: u64) -> BatchTime {
    BatchTime::from_millis(number * 1000)
}

pub(super) fn open(backend: &dyn StateBackend, uid: &str, groups: Range<u8>) -> Arc<dyn StateStore> {
    // Only for the type: without bases nothing is read.
    let storage = MemoryStorage::new();
    backend.open(&StateOpening::new("ledger-1", uid, groups, &storage)).unwrap()
}

pub(super) fn puts(entries: &[(u8, &str, &str)]) -> Vec<Changes> {
    let mut changes = Changes::new();
    for (index, key, value) in entries {
        changes.put(group(*index), key.as_bytes(), value.as_bytes());
    }
    vec![changes]
}

pub(super) fn removal(index: u8, key: &str) -> Vec<Changes> {
    let mut changes = Changes::new();
    changes.remove(group(index), key.as_bytes());
    vec![changes]
}

/// One value of a view.
pub(super) fn value(view: &dyn StateView, index: u8, key: &str) -> Option<String> {
    let (mut keys, mut values) = (Keys::new(), Values::new());
    keys.push_encoded(group(index), key.as_bytes());
    view.read(&keys, &mut values).unwrap();
    assert_eq!(values.len(), 1, "answers to one key");
    values.get(0).map(|value| String::from_utf8(value.to_vec()).unwrap())
}

/// All that a scan of all groups gives, each entry once.
pub(super) fn scanned(view: &dyn StateView) -> Model {
    let mut all = Model::new();
    let mut chunk = Changes::new();
    for index in view.groups() {
        let mut cursor = ScanCursor::new();
        while view.scan(group(index), &mut cursor, &mut chunk).unwrap() {
            assert!(!chunk.is_empty(), "a chunk before the end has entries");
            for entry in chunk.iter() {
                assert_eq!(entry.group, group(index), "a scan stays in its group");
                let value = entry.value.expect("an entry has a value").to_vec();
                let before = all.insert((index, entry.key.to_vec()), value);
                assert_eq!(before, None, "key {:?} of group {index} comes twice", entry.key);
            }
        }
        assert!(chunk.is_empty(), "behind the last entry the chunk is empty");
        assert!(!view.scan(group(index), &mut cursor, &mut chunk).unwrap(), "the end stays the end");
    }
    all
}

/// Scans and reads `view`, and compares.
pub(super) fn assert_holds(view: &dyn StateView, model: &Model, random: &mut Random, when: &str) {
    assert_eq!(&scanned(view), model, "a scan {when}");

    let groups = view.groups();
    let (mut asked, mut keys, mut values) = (Vec::new(), Keys::new(), Values::new());
    let known = model.keys().cloned();
    let any = (0..50).map(|_| (groups.start + random.below(groups.len() as u64) as u8, random.key()));
    for (index, key) in known.chain(any) {
        keys.push_encoded(group(index), &key);
        asked.push((index, key));
    }
    view.read(&keys, &mut values).unwrap();
    assert_eq!(values.len(), asked.len(), "answers {when}");
    for (number, key) in asked.iter().enumerate() {
        assert_eq!(values.get(number), model.get(key).map(Vec::as_slice), "{key:?} {when}");
    }
}

//! What several tests do with a store.

#![allow(dead_code, reason = "each test uses some of it")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use tidemill::{
    BatchTime, Changes, KeyGroup, MemoryStorage, Result, ScanCursor, StateBackend as _, StateBase,
    StateOpening, StateStore, StateView,
};
use tidemill_state_rocksdb::RocksDbState;

/// What a store should hold: group and key, and the value.
pub(crate) type Model = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// All groups that there are.
pub(crate) const ALL: Range<u8> = 0..128;

pub(crate) fn batch(number: u64) -> BatchTime {
    BatchTime::from_millis(number * 1000)
}

pub(crate) fn group(index: u8) -> KeyGroup {
    KeyGroup::from_index(index).unwrap()
}

/// An opening of the store `counts` in a ledger whose last batch has this number.
pub(crate) struct Opened<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) ledger: &'a str,
    pub(crate) groups: Range<u8>,
    pub(crate) committed: Option<u64>,
    pub(crate) storage: &'a MemoryStorage,
    pub(crate) bases: &'a [StateBase],
}

impl Opened<'_> {
    pub(crate) fn try_store(&self) -> Result<Arc<dyn StateStore>> {
        let opening = StateOpening::new(self.ledger, "counts", self.groups.clone(), self.storage);
        // Little, so that files are written now and then.
        let backend = RocksDbState::new(self.folder).memory(8 << 20);
        backend.open(&opening.bases(self.bases).committed(self.committed.map(batch)))
    }

    pub(crate) fn store(&self) -> Arc<dyn StateStore> {
        self.try_store().unwrap()
    }
}

/// The store `counts` of all groups, without bases.
pub(crate) fn open(folder: &Path, committed: u64) -> Arc<dyn StateStore> {
    let storage = MemoryStorage::new();
    let opened = Opened {
        folder,
        ledger: "job-1",
        groups: ALL,
        committed: Some(committed),
        storage: &storage,
        bases: &[],
    };
    opened.store()
}

/// Changes of some keys; no value removes the key.
pub(crate) fn changes(entries: &[(u8, &str, Option<&str>)]) -> Vec<Changes> {
    let mut changes = Changes::new();
    for (index, key, value) in entries {
        match value {
            Some(value) => changes.put(group(*index), key.as_bytes(), value.as_bytes()),
            None => changes.remove(group(*index), key.as_bytes()),
        }
    }
    vec![changes]
}

/// Applies a batch that sets `n` of group 7 to its number.
pub(crate) fn count(store: &dyn StateStore, number: u64) {
    store.apply(batch(number), changes(&[(7, "n", Some(&number.to_string()))])).unwrap();
}

/// The number of the last batch, as its mark and as [`count`] say.
pub(crate) fn counted(store: &dyn StateStore) -> (Option<u64>, Option<u64>) {
    let applied = store.applied().unwrap().map(|batch| batch.as_millis() / 1000);
    let n = scanned(store).get(&(7, b"n".to_vec())).map(|n| String::from_utf8(n.clone()).unwrap());
    (applied, n.map(|n| n.parse().unwrap()))
}

/// All entries of a view.
pub(crate) fn scanned(view: &(impl StateView + ?Sized)) -> Model {
    let (mut all, mut chunk) = (Model::new(), Changes::new());
    for index in view.groups() {
        let mut cursor = ScanCursor::new();
        while view.scan(group(index), &mut cursor, &mut chunk).unwrap() {
            let entries =
                chunk.iter().map(|entry| ((index, entry.key.to_vec()), entry.value.unwrap().to_vec()));
            all.extend(entries);
        }
    }
    all
}

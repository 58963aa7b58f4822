//! States and storage on RocksDB keep the promises of their traits.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;

use tidemill::testing::storage::FailingStorage;
use tidemill::testing::{state, storage};
use tidemill_state_rocksdb::{RocksDbState, RocksDbStorage};

/// A new folder each time.
fn folders(root: &tempfile::TempDir) -> impl Fn() -> PathBuf {
    let number = Cell::new(0);
    move || {
        number.set(number.get() + 1);
        root.path().join(number.get().to_string())
    }
}

#[test]
fn states() {
    let root = tempfile::tempdir().unwrap();
    let folder = folders(&root);
    state::conformance(|| Arc::new(RocksDbState::new(folder())));
}

#[test]
fn states_with_so_little_memory_that_all_is_in_files() {
    let root = tempfile::tempdir().unwrap();
    let folder = folders(&root);
    state::conformance(|| Arc::new(RocksDbState::new(folder()).memory(1 << 20)));
}

#[test]
fn objects() {
    let root = tempfile::tempdir().unwrap();
    let folder = folders(&root);
    storage::conformance(|| Arc::new(RocksDbStorage::open(folder()).unwrap()));
}

#[test]
fn objects_behind_a_storage_that_could_fail_and_does_not() {
    let root = tempfile::tempdir().unwrap();
    let folder = folders(&root);
    storage::conformance(|| Arc::new(FailingStorage::new(Arc::new(RocksDbStorage::open(folder()).unwrap()))));
}

//! Bases are made of files that are written once, and hold exactly the batch that they name.

mod support;

use std::path::Path;

use tidemill::{Changes, MemoryStorage, StateBase, Storage as _};

use self::support::{ALL, Opened, batch, changes, group, open, scanned};

/// 20,000 entries of a group, of 100 bytes each.
fn large() -> Vec<Changes> {
    let mut changes = Changes::new();
    for number in 0..20_000_u32 {
        changes.put(group((number % 128) as u8), &number.to_be_bytes(), &[number as u8; 100]);
    }
    vec![changes]
}

/// The length of the objects that were written below a path.
fn written(storage: &MemoryStorage, path: &str) -> u64 {
    storage.list(path, "", 1000).unwrap().iter().map(|entry| entry.bytes).sum()
}

fn from(folder: &Path, storage: &MemoryStorage, base: &StateBase) -> support::Model {
    let opened = Opened {
        folder,
        ledger: "job-2",
        groups: ALL,
        committed: base.applied.map(|batch| batch.as_millis() / 1000),
        storage,
        bases: std::slice::from_ref(base),
    };
    let store = opened.store();
    assert_eq!(store.applied().unwrap(), base.applied);
    scanned(&*store)
}

#[test]
fn a_file_is_sent_once_also_after_a_restart() {
    let (folder, other, storage) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), MemoryStorage::new());
    let store = open(folder.path(), 0);
    store.apply(batch(1), large()).unwrap();
    let first = store.save(ALL, &storage, "bases/1", &[]).unwrap();
    store.apply(batch(2), changes(&[(3, "new", Some("2"))])).unwrap();
    let second = store.save(ALL, &storage, "bases/2", &first.objects).unwrap();
    let expected = scanned(&*store);
    drop(store);
    let store = open(folder.path(), 9);
    let third = store.save(ALL, &storage, "bases/3", &second.objects).unwrap();

    assert!(written(&storage, "bases/1/") > 1_000_000);
    for path in ["bases/2/", "bases/3/"] {
        assert!(written(&storage, path) < 50_000, "{path}: {} bytes", written(&storage, path));
    }
    assert!(third.bytes > 1_000_000, "the files that it stands on count: {}", third.bytes);
    assert_eq!(from(other.path(), &storage, &third), expected);
}

#[test]
fn a_snapshot_is_saved_as_files_without_what_came_later() {
    let (folder, other, storage) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), MemoryStorage::new());
    let store = open(folder.path(), 0);
    store
        .apply(
            batch(1),
            changes(&[(3, "stays", Some("1")), (3, "goes", Some("1")), (90, "grows", Some("1"))]),
        )
        .unwrap();
    let snapshot = store.snapshot().unwrap();
    let expected = scanned(&*snapshot);
    store.apply(batch(2), changes(&[(3, "goes", None), (90, "grows", Some("22"))])).unwrap();
    store.apply(batch(3), changes(&[(3, "comes", Some("3")), (90, "grows", Some("333"))])).unwrap();

    let base = snapshot.save(ALL, &storage, "bases/1", &[]).unwrap();

    assert_eq!(base.applied, Some(batch(1)));
    assert!(base.objects.len() > 1 && base.objects.iter().all(|path| !path.contains("entries")), "{base:?}");
    assert_eq!(from(other.path(), &storage, &base), expected);
    assert_ne!(scanned(&*store), expected);
}

#[test]
fn a_snapshot_that_was_kept_for_long_is_saved_entry_by_entry() {
    let (folder, other, storage) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), MemoryStorage::new());
    let store = open(folder.path(), 0);
    store.apply(batch(1), changes(&[(3, "stays", Some("1"))])).unwrap();
    let snapshot = store.snapshot().unwrap();
    let expected = scanned(&*snapshot);
    for number in 2..6 {
        let mut much = Changes::new();
        much.put(group(3), b"much", &vec![number as u8; 10 << 20]);
        store.apply(batch(number), vec![much]).unwrap();
    }

    let base = snapshot.save(ALL, &storage, "bases/1", &[]).unwrap();

    assert!(base.bytes < 1000, "{base:?}");
    assert!(base.objects.iter().any(|path| path.contains("entries")), "{base:?}");
    assert_eq!(from(other.path(), &storage, &base), expected);
}

#[test]
fn nothing_of_a_save_stays_beside_the_database() {
    let (folder, storage) = (tempfile::tempdir().unwrap(), MemoryStorage::new());
    let store = open(folder.path(), 0);
    store.apply(batch(1), large()).unwrap();
    store.save(ALL, &storage, "bases/1", &[]).unwrap();

    let operator = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let groups = std::fs::read_dir(operator).unwrap().next().unwrap().unwrap().path();
    let inside: Vec<_> = std::fs::read_dir(groups).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(inside, ["db"]);
}

//! Which files of its own a store goes on with, and which it replaces.

mod support;

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use tidemill::{Error, MemoryStorage, StateBackend as _, StateBase, StateOpening};
use tidemill_state_rocksdb::RocksDbState;

use self::support::{ALL, Opened, batch, changes, count, counted, open, scanned};

/// A base of a store elsewhere that is at this batch.
fn base_at(number: u64, storage: &MemoryStorage) -> StateBase {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 0);
    count(&*store, number);
    store.save(ALL, storage, &format!("bases/{number}"), &[]).unwrap()
}

/// All databases below a folder.
fn databases(folder: &Path) -> Vec<PathBuf> {
    let list = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    list(folder).iter().flat_map(|operator| list(operator)).map(|groups| groups.join("db")).collect()
}

#[test]
fn a_store_that_was_closed_goes_on_at_its_last_batch() {
    let folder = tempfile::tempdir().unwrap();
    for number in 1..=20 {
        let store = open(folder.path(), number - 1);
        assert_eq!(counted(&*store).0, (number > 1).then_some(number - 1), "nothing is lost in peace");
        count(&*store, number);
        assert_eq!(counted(&*store), (Some(number), Some(number)));
    }
}

#[test]
fn a_store_between_its_bases_and_the_ledger_says_where_it_is() {
    let (folder, storage) = (tempfile::tempdir().unwrap(), MemoryStorage::new());
    let bases = [base_at(2, &storage)];
    let opened = |committed| Opened {
        folder: folder.path(),
        ledger: "job-1",
        groups: ALL,
        committed: Some(committed),
        storage: &storage,
        bases: &bases,
    };
    let store = opened(2).store();
    assert_eq!(counted(&*store), (Some(2), Some(2)), "of the base");
    (3..=4).for_each(|number| count(&*store, number));
    drop(store);

    for committed in [4, 9] {
        assert_eq!(counted(&*opened(committed).store()), (Some(4), Some(4)), "the ledger is at {committed}");
    }
}

#[test]
fn a_store_ahead_of_the_ledger_or_behind_its_bases_begins_anew() {
    let storage = MemoryStorage::new();
    let bases = [base_at(2, &storage)];
    let cases = [(5, Some(4)), (5, Some(2)), (1, Some(4))];
    for (own, committed) in cases {
        let folder = tempfile::tempdir().unwrap();
        count(&*open(folder.path(), 9), own);
        let opened = Opened {
            folder: folder.path(),
            ledger: "job-1",
            groups: ALL,
            committed,
            storage: &storage,
            bases: &bases,
        };

        let store = opened.store();

        assert_eq!(counted(&*store), (Some(2), Some(2)), "its own {own}, committed {committed:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    count(&*open(folder.path(), 9), 5);
    assert_eq!(counted(&*open(folder.path(), 4)), (None, None), "ahead, and without bases");
}

#[test]
fn a_store_of_another_ledger_is_of_no_use() {
    let (folder, storage) = (tempfile::tempdir().unwrap(), MemoryStorage::new());
    count(&*open(folder.path(), 9), 5);
    let of = |ledger| {
        let committed = Some(9);
        counted(
            &*Opened { folder: folder.path(), ledger, groups: ALL, committed, storage: &storage, bases: &[] }
                .store(),
        )
    };

    assert_eq!(of("job-1"), (Some(5), Some(5)));
    assert_eq!(of("job-2"), (None, None));
    assert_eq!(of("job-1"), (None, None), "it is the other ledger's now");
}

#[test]
fn members_share_a_folder_and_other_members_begin_from_bases() {
    let (folder, storage) = (tempfile::tempdir().unwrap(), MemoryStorage::new());
    let member = |groups, bases: &[StateBase]| {
        Opened {
            folder: folder.path(),
            ledger: "job-1",
            groups,
            committed: Some(9),
            storage: &storage,
            bases,
        }
        .store()
    };
    let (low, high) = (member(0..64, &[]), member(64..128, &[]));
    low.apply(batch(1), changes(&[(63, "ebb", Some("low"))])).unwrap();
    high.apply(batch(1), changes(&[(64, "ebb", Some("high"))])).unwrap();
    let bases = [
        low.save(0..64, &storage, "bases/low", &[]).unwrap(),
        high.save(64..128, &storage, "bases/high", &[]).unwrap(),
    ];
    drop((low, high));

    let middle = member(60..70, &bases);
    let entries: Vec<_> = scanned(&*middle).into_values().collect();
    assert_eq!(entries, [b"low".to_vec(), b"high".to_vec()]);
    drop(middle);
    assert_eq!(scanned(&*member(0..60, &bases)).len(), 0, "nothing of the other groups is left");
    assert_eq!(scanned(&*member(0..64, &[])).len(), 0, "the first member's own files are gone");
}

#[test]
fn databases_of_another_number_of_members_go_unless_somebody_has_them_open() {
    let (folder, storage) = (tempfile::tempdir().unwrap(), MemoryStorage::new());
    let member = |ledger, groups: Range<u8>| {
        let opened = Opened {
            folder: folder.path(),
            ledger,
            groups,
            committed: Some(9),
            storage: &storage,
            bases: &[],
        };
        opened.store()
    };
    let there = || {
        let mut groups: Vec<String> = databases(folder.path())
            .iter()
            .map(|path| path.parent().unwrap().file_name().unwrap().to_str().unwrap()[..14].to_owned())
            .collect();
        groups.sort();
        groups
    };
    let [low, middle, high] = [0..43, 43..86, 86..128].map(|groups| member("job-1", groups));
    assert_eq!(there(), ["groups-000-043", "groups-043-086", "groups-086-128"], "of one run");
    middle.apply(batch(1), changes(&[(50, "ebb", Some("kept"))])).unwrap();
    drop((low, high));

    let halves = [0..64, 64..128].map(|groups| member("job-1", groups));
    assert_eq!(there(), ["groups-000-064", "groups-043-086", "groups-064-128"], "one is in use");
    assert_eq!(scanned(&*middle).len(), 1);
    drop(middle);

    drop(halves);
    drop(member("job-1", 0..64));
    assert_eq!(there(), ["groups-000-064", "groups-064-128"], "the other member starts later");
    let alone = member("job-2", ALL);
    assert_eq!(there(), ["groups-000-128"], "whatever the ledger");
    drop(alone);
    // What is no database of ours is nobody's to remove.
    let beside = databases(folder.path())[0].parent().unwrap().with_file_name("groups-of-people");
    fs::create_dir(&beside).unwrap();
    drop(member("job-2", 0..64));
    assert!(beside.is_dir());
}

#[test]
fn damaged_files_are_made_again_from_the_bases() {
    let storage = MemoryStorage::new();
    let bases = [base_at(2, &storage)];
    for victim in ["CURRENT", "MANIFEST", "sst"] {
        let folder = tempfile::tempdir().unwrap();
        let opened = Opened {
            folder: folder.path(),
            ledger: "job-1",
            groups: ALL,
            committed: Some(9),
            storage: &storage,
            bases: &bases,
        };
        let store = opened.store();
        count(&*store, 3);
        drop(store);
        let database = databases(folder.path()).pop().unwrap();
        let files = fs::read_dir(&database).unwrap().map(|entry| entry.unwrap().path());
        let hit: Vec<PathBuf> = files.filter(|path| path.to_str().unwrap().contains(victim)).collect();
        assert!(!hit.is_empty(), "{victim}");
        hit.iter().for_each(|path| fs::write(path, "damaged").unwrap());

        assert_eq!(counted(&*opened.store()), (Some(2), Some(2)), "with a damaged {victim}");
    }
}

#[test]
fn what_a_crash_left_beside_a_database_goes() {
    let folder = tempfile::tempdir().unwrap();
    count(&*open(folder.path(), 9), 5);
    let database = databases(folder.path()).pop().unwrap();
    for left in ["db.new", "db.base", "db.checkpoint-0"] {
        let left = database.with_file_name(left);
        fs::create_dir(&left).unwrap();
        fs::write(left.join("CURRENT"), "half").unwrap();
    }

    let store = open(folder.path(), 9);

    assert_eq!(counted(&*store), (Some(5), Some(5)));
    let left: Vec<_> = fs::read_dir(database.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn an_error_names_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let in_use = open(folder.path(), 9);
    let storage = MemoryStorage::new();
    let opened = |folder: &Path| {
        let bases = &[];
        Opened { folder, ledger: "job-1", groups: ALL, committed: None, storage: &storage, bases }
            .try_store()
            .err()
            .unwrap()
    };

    let error = opened(folder.path());
    assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error:?}");
    assert!(matches!(error, Error::Storage { .. }), "{error:?}");
    count(&*in_use, 1);
    assert_eq!(counted(&*in_use), (Some(1), Some(1)), "whoever has it goes on");

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = opened(&file);
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error:?}");
}

#[test]
fn too_little_memory_is_refused() {
    let (folder, storage) = (tempfile::tempdir().unwrap(), MemoryStorage::new());
    let backend = RocksDbState::new(folder.path()).memory(1000);

    let error = backend.open(&StateOpening::new("job-1", "counts", ALL, &storage)).err().unwrap();

    assert!(matches!(error, Error::Setting { .. }), "{error:?}");
    assert!(error.to_string().contains("1048576"), "{error}");
}

//! Every storage of tidemill keeps the promises of [`Storage`], and the log on top of them those of [`Log`].

use std::sync::Arc;

use tidemill::testing::storage::{Call, FailingStorage, conformance};
use tidemill::{Epoch, Error, FileStorage, Log as _, MemoryStorage, Put, PutMode, SegmentLog, Storage};

#[test]
fn memory() {
    conformance(|| Arc::new(MemoryStorage::new()));
}

#[test]
fn a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    conformance(|| {
        number.set(number.get() + 1);
        Arc::new(FileStorage::new(folder.path().join(number.get().to_string())).unwrap())
    });
}

#[test]
fn a_storage_that_could_fail_and_does_not() {
    conformance(|| Arc::new(FailingStorage::new(Arc::new(MemoryStorage::new()))));
}

#[test]
fn a_storage_that_has_only_what_it_must() {
    conformance(|| Arc::new(WithoutRename(MemoryStorage::new())));
}

/// A storage that overrides nothing of the trait.
#[derive(Clone, Debug)]
struct WithoutRename<S>(S);

impl<S: Storage> Storage for WithoutRename<S> {
    fn put(&self, path: &str, bytes: &[u8], mode: PutMode) -> tidemill::Result<Put> {
        self.0.put(path, bytes, mode)
    }
    fn get(&self, path: &str, part: Option<std::ops::Range<u64>>) -> tidemill::Result<Option<Vec<u8>>> {
        self.0.get(path, part)
    }
    fn list(&self, prefix: &str, after: &str, max: usize) -> tidemill::Result<Vec<tidemill::StorageEntry>> {
        self.0.list(prefix, after, max)
    }
    fn delete(&self, path: &str) -> tidemill::Result<()> {
        self.0.delete(path)
    }
    fn stage(&self, path: &str) -> tidemill::Result<Box<dyn tidemill::Staged>> {
        self.0.stage(path)
    }
    fn log(&self, path: &str, epoch: Epoch) -> tidemill::Result<Box<dyn tidemill::Log>> {
        self.0.log(path, epoch)
    }
}

fn records(storage: &dyn Storage) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    storage
        .read_log("wal", &mut |record| {
            records.push(record.to_vec());
            Ok(())
        })
        .unwrap();
    records
}

#[test]
fn a_crash_within_a_promotion_loses_nothing() {
    for crash in 0.. {
        let disk = MemoryStorage::new();
        assert_eq!(disk.put("staged", b"counts", PutMode::Replace).unwrap(), Put::Done);
        let failing = FailingStorage::new(Arc::new(disk.clone()));
        failing.crash_at(crash);
        // Outside, so that the steps of the promotion count and not the promotion.
        let done = WithoutRename(failing).promote("staged", "final");

        let found = disk.get("staged", None).unwrap().or(disk.get("final", None).unwrap());
        assert_eq!(found.as_deref(), Some(&b"counts"[..]), "after a crash at call {crash}");
        disk.promote("staged", "final").unwrap();
        assert_eq!(disk.get("final", None).unwrap().as_deref(), Some(&b"counts"[..]));
        assert_eq!(disk.get("staged", None).unwrap(), None);
        if done.is_ok() {
            assert_eq!(crash, 3, "a read, a put and a delete");
            return;
        }
    }
}

#[test]
fn a_sync_that_failed_keeps_its_records_for_the_next() {
    for answer_lost in [false, true] {
        let storage = FailingStorage::new(Arc::new(MemoryStorage::new()));
        let mut log = SegmentLog::open(Arc::new(storage.clone()), "wal", Epoch(1)).unwrap();
        if answer_lost {
            storage.fail_after(Call::Put, 1);
        } else {
            storage.fail(Call::Put, 1);
        }
        log.append(b"a").unwrap();
        log.append(b"b").unwrap();

        let error = log.sync().unwrap_err();
        assert!(matches!(error, Error::Storage { .. }), "{error:?}");
        log.sync().unwrap();
        log.append(b"c").unwrap();
        log.sync().unwrap();

        assert_eq!(records(&storage), [b"a", b"b", b"c"], "answer lost: {answer_lost}");
    }
}

#[test]
fn a_sync_that_failed_before_a_takeover_is_fenced() {
    let storage = FailingStorage::new(Arc::new(MemoryStorage::new()));
    let mut log = storage.log("wal", Epoch(1)).unwrap();
    storage.fail(Call::Put, 1);
    log.append(b"a").unwrap();
    assert!(log.sync().is_err());
    storage.log("wal", Epoch(2)).unwrap();

    let error = log.sync().unwrap_err();

    assert!(matches!(error, Error::Fenced(_)), "{error:?}");
    assert!(records(&storage).is_empty());
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the race of real threads is the point")]
fn of_many_that_open_a_log_at_once_one_can_write() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let start = std::sync::Barrier::new(8);

    let winners: Vec<u64> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|epoch| {
                let (storage, start) = (&storage, &start);
                scope.spawn(move || {
                    start.wait();
                    let log = storage.log("wal", Epoch(epoch));
                    // All have opened, or were refused, before the first writes.
                    start.wait();
                    let mut log = log.ok()?;
                    log.append(&[epoch as u8]).unwrap();
                    log.sync().ok().map(|()| epoch)
                })
            })
            .collect();
        racers.into_iter().filter_map(|racer| racer.join().unwrap()).collect()
    });

    assert_eq!(winners, [7]);
    assert_eq!(records(&*storage), [[7]]);
}

#[test]
fn a_full_disk_is_an_error_until_there_is_room() {
    let storage = FailingStorage::new(Arc::new(MemoryStorage::new()));
    storage.full_after(10);

    assert_eq!(storage.put("a", b"12345678", PutMode::Replace).unwrap(), Put::Done);
    let error = storage.put("b", b"1234", PutMode::Replace).unwrap_err();
    assert_eq!(error.retry(), tidemill::Retry::WithBackoff);
    assert_eq!(storage.get("b", None).unwrap(), None);
    storage.heal();

    assert_eq!(storage.put("b", b"1234", PutMode::Replace).unwrap(), Put::Done);
    assert_eq!(storage.calls_of(Call::Put), 3);
}

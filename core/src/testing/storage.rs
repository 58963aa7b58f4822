//! Holds a [`Storage`] to its promises, and breaks one on purpose.

use std::io::Write as _;
use std::sync::Arc;

use crate::words::{Epoch, Error};
use crate::{Put, PutMode, Storage};

mod failing;

pub use self::failing::{Call, FailingStorage};

/// Runs the whole suite; `open` gives a new, empty storage each time.
///
/// # Panics
/// Where a promise of [`Storage`] is broken.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use tidemill::{MemoryStorage, testing::storage::conformance};
///
/// conformance(|| Arc::new(MemoryStorage::new()));
/// ```
pub fn conformance(open: impl Fn() -> Arc<dyn Storage>) {
    let suite: [fn(&Arc<dyn Storage>); 14] = [
        what_was_put_can_be_read,
        a_part_is_cut_at_the_end_of_the_object,
        a_listing_is_in_order_of_path,
        pages_of_a_listing_join_without_holes,
        deleting_twice_is_fine,
        the_first_put_if_absent_wins,
        one_of_many_threads_wins,
        readers_see_whole_objects_only,
        what_is_staged_is_invisible_until_published,
        promoting_twice_is_fine,
        a_changed_object_has_another_version,
        a_path_that_leaves_the_storage_is_refused,
        a_log_gives_back_what_was_synced,
        an_older_writer_of_a_log_is_fenced,
    ];
    for check in suite {
        check(&open());
    }
}

fn put(storage: &dyn Storage, path: &str, bytes: &[u8]) {
    assert_eq!(storage.put(path, bytes, PutMode::Replace).unwrap(), Put::Done, "`{path}` is replaced");
}

fn paths(storage: &dyn Storage, prefix: &str, after: &str, max: usize) -> Vec<String> {
    storage.list(prefix, after, max).unwrap().into_iter().map(|entry| entry.path).collect()
}

/// An object is read back, empty ones too, and replaced as a whole.
pub fn what_was_put_can_be_read(storage: &Arc<dyn Storage>) {
    assert_eq!(storage.get("a/b", None).unwrap(), None, "nothing is there yet");
    put(&**storage, "a/b", b"the first, which is longer");
    put(&**storage, "a/b", b"the second");
    put(&**storage, "empty", b"");

    assert_eq!(storage.get("a/b", None).unwrap().as_deref(), Some(&b"the second"[..]));
    assert_eq!(storage.get("empty", None).unwrap().as_deref(), Some(&b""[..]));
    assert_eq!(storage.get("a", None).unwrap(), None, "a part of a path is no object");
    assert_eq!(storage.get("a/b/c", None).unwrap(), None, "nothing is below an object");
    assert_eq!(storage.list("a/", "", 9).unwrap()[0].bytes, 10, "a listing knows the length");
}

/// Ranges count bytes, and what lies behind the end is empty.
pub fn a_part_is_cut_at_the_end_of_the_object(storage: &Arc<dyn Storage>) {
    put(&**storage, "digits", b"0123456789");

    let cases: [(u64, u64, &[u8]); 7] = [
        (0, 3, b"012"),
        (3, 7, b"3456"),
        (8, 99, b"89"),
        (0, u64::MAX, b"0123456789"),
        (10, 12, b""),
        (11, u64::MAX, b""),
        (0, 0, b""),
    ];
    for (start, end, expected) in cases {
        let part = storage.get("digits", Some(start..end)).unwrap();
        assert_eq!(part.as_deref(), Some(expected), "bytes {start}..{end}");
    }
    assert_eq!(storage.get("missing", Some(0..0)).unwrap(), None, "a part of nothing is nothing");
}

/// Paths come in the order of their bytes, across what a folder would nest, and by a prefix that is text.
pub fn a_listing_is_in_order_of_path(storage: &Arc<dyn Storage>) {
    // `-` and `.` sort before the slash and `0` behind it: an order by folder would be another one.
    let sorted = ["a-b", "a.b", "a/b", "a/b.c", "a/c/d", "a0", "b", "ä"];
    for path in sorted.iter().rev() {
        put(&**storage, path, path.as_bytes());
    }

    assert_eq!(paths(&**storage, "", "", 99), sorted);
    assert_eq!(paths(&**storage, "a/", "", 99), ["a/b", "a/b.c", "a/c/d"]);
    assert_eq!(paths(&**storage, "a/b", "", 99), ["a/b", "a/b.c"]);
    assert_eq!(paths(&**storage, "a", "a.b", 2), ["a/b", "a/b.c"]);
    assert_eq!(paths(&**storage, "", "a/c", 99), ["a/c/d", "a0", "b", "ä"], "`after` need not be there");
    assert_eq!(paths(&**storage, "", "a/c/d", 99), ["a0", "b", "ä"]);
    assert_eq!(paths(&**storage, "b", "a", 99), ["b"], "`after` may lie before the prefix");
    assert_eq!(paths(&**storage, "a", "b", 99), [""; 0], "or behind it");
    for nowhere in ["c", "a/c/d/", "b/", "missing/", "../", "a/../"] {
        assert_eq!(paths(&**storage, nowhere, "", 99), [""; 0], "prefix `{nowhere}`");
    }
    assert_eq!(paths(&**storage, "", "", 0), [""; 0]);
}

/// Going on behind the last path of a page visits every object once.
pub fn pages_of_a_listing_join_without_holes(storage: &Arc<dyn Storage>) {
    let mut all: Vec<String> = (0..30)
        .map(|n| format!("pages/{}/{n:02}{}", n % 4, "x".repeat(n % 3)))
        .chain(["pages.txt".into()])
        .collect();
    for path in &all {
        put(&**storage, path, b"");
    }
    all.sort();

    for page in [1, 7, 31, 99] {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let after = seen.last().cloned().unwrap_or_default();
            let next = paths(&**storage, "pages", &after, page);
            assert!(next.len() <= page, "{} objects on a page of {page}", next.len());
            if next.is_empty() {
                break;
            }
            seen.extend(next);
        }
        assert_eq!(seen, all, "in pages of {page}");
    }
}

/// What is gone is in no answer, and may be deleted again.
pub fn deleting_twice_is_fine(storage: &Arc<dyn Storage>) {
    put(&**storage, "gone/a", b"1");
    put(&**storage, "stays", b"1");

    for _ in 0..2 {
        storage.delete("gone/a").unwrap();
        assert_eq!(storage.get("gone/a", None).unwrap(), None);
    }
    storage.delete("never/was").unwrap();
    storage.delete("stays/below").unwrap();

    assert_eq!(paths(&**storage, "", "", 9), ["stays"]);
    assert_eq!(storage.put("gone/a", b"2", PutMode::IfAbsent).unwrap(), Put::Done, "a deleted path is free");
}

/// The bytes of the winner stay, for a put and for a staged object.
pub fn the_first_put_if_absent_wins(storage: &Arc<dyn Storage>) {
    assert_eq!(storage.put("ledger/1", b"first", PutMode::IfAbsent).unwrap(), Put::Done);
    assert_eq!(storage.put("ledger/1", b"second", PutMode::IfAbsent).unwrap(), Put::Exists);
    let mut staged = storage.stage("ledger/1").unwrap();
    staged.write_all(b"third").unwrap();
    assert_eq!(staged.publish(PutMode::IfAbsent).unwrap(), Put::Exists);

    assert_eq!(storage.get("ledger/1", None).unwrap().as_deref(), Some(&b"first"[..]));
    assert_eq!(paths(&**storage, "", "", 9), ["ledger/1"]);
}

/// However many try at once, exactly one is told that it won, and it did.
#[allow(clippy::disallowed_methods, reason = "the race of real threads is the point")]
pub fn one_of_many_threads_wins(storage: &Arc<dyn Storage>) {
    const THREADS: usize = 8;
    for round in 0..20 {
        let path = format!("race/{round}");
        let start = std::sync::Barrier::new(THREADS);
        let winners: Vec<usize> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..THREADS)
                .map(|racer| {
                    let (path, start) = (&path, &start);
                    scope.spawn(move || {
                        // So different in length that a mixture would show.
                        let bytes = vec![racer as u8; 1 + racer * 1000];
                        start.wait();
                        storage.put(path, &bytes, PutMode::IfAbsent).unwrap()
                    })
                })
                .collect();
            let done = racers.into_iter().map(|racer| racer.join().unwrap()).enumerate();
            done.filter(|(_, put)| *put == Put::Done).map(|(racer, _)| racer).collect()
        });

        assert_eq!(winners.len(), 1, "winners of `{path}`: {winners:?}");
        let expected = vec![winners[0] as u8; 1 + winners[0] * 1000];
        assert_eq!(storage.get(&path, None).unwrap(), Some(expected), "what the winner of `{path}` wrote");
    }
}

/// While an object is replaced again and again, a reader sees one of the versions, and a listing always has it.
#[allow(clippy::disallowed_methods, reason = "the race of real threads is the point")]
pub fn readers_see_whole_objects_only(storage: &Arc<dyn Storage>) {
    let versions: Vec<Vec<u8>> = (0..50_u8).map(|n| vec![n; 1 + usize::from(n) * 500]).collect();
    put(&**storage, "busy", &versions[0]);

    std::thread::scope(|scope| {
        let writer = scope.spawn(|| versions.iter().for_each(|bytes| put(&**storage, "busy", bytes)));
        while !writer.is_finished() {
            let seen = storage.get("busy", None).unwrap().expect("the object is always there");
            assert!(versions.contains(&seen), "{} bytes of a version that was never put", seen.len());
            assert_eq!(paths(&**storage, "", "", 9), ["busy"]);
        }
    });
}

/// Neither a reader nor a listing sees what is on its way, and what is dropped never was.
pub fn what_is_staged_is_invisible_until_published(storage: &Arc<dyn Storage>) {
    put(&**storage, "out/old", b"old");
    let mut new = storage.stage("out/new").unwrap();
    let mut over_old = storage.stage("out/old").unwrap();
    let mut dropped = storage.stage("out/dropped").unwrap();
    for staged in [&mut new, &mut over_old, &mut dropped] {
        staged.write_all(b"in two ").unwrap();
        staged.write_all(b"pieces").unwrap();
        staged.flush().unwrap();
    }
    drop(dropped);

    assert_eq!(paths(&**storage, "", "", 9), ["out/old"]);
    assert_eq!(storage.get("out/new", None).unwrap(), None);
    assert_eq!(storage.get("out/old", None).unwrap().as_deref(), Some(&b"old"[..]));

    assert_eq!(new.publish(PutMode::IfAbsent).unwrap(), Put::Done);
    assert_eq!(over_old.publish(PutMode::Replace).unwrap(), Put::Done);
    for path in ["out/new", "out/old"] {
        assert_eq!(storage.get(path, None).unwrap().as_deref(), Some(&b"in two pieces"[..]), "`{path}`");
    }
    assert_eq!(paths(&**storage, "", "", 9), ["out/new", "out/old"]);
}

/// A promotion is done once or again, also after it stopped half-way; with nothing to promote it is an error.
pub fn promoting_twice_is_fine(storage: &Arc<dyn Storage>) {
    put(&**storage, "_staged/7/part", b"counts");
    for _ in 0..2 {
        storage.promote("_staged/7/part", "counts-7/part").unwrap();
        assert_eq!(storage.get("counts-7/part", None).unwrap().as_deref(), Some(&b"counts"[..]));
        assert_eq!(paths(&**storage, "", "", 9), ["counts-7/part"]);
    }

    // As a crash leaves it between the put and the delete.
    put(&**storage, "_staged/7/part", b"counts");
    storage.promote("_staged/7/part", "counts-7/part").unwrap();
    assert_eq!(paths(&**storage, "", "", 9), ["counts-7/part"]);

    let error = storage.promote("_staged/8/part", "counts-8/part").unwrap_err();
    assert!(matches!(error, Error::Storage { .. }), "{error:?}");
    assert_eq!(paths(&**storage, "", "", 9), ["counts-7/part"]);
}

/// Where versions are known, other content of the same length has another one, and reading changes none.
pub fn a_changed_object_has_another_version(storage: &Arc<dyn Storage>) {
    let version = || storage.list("v", "", 1).unwrap().pop().unwrap().version;
    put(&**storage, "v", b"1");
    let first = version();
    storage.get("v", None).unwrap();
    assert_eq!(version(), first);

    put(&**storage, "v", b"2");

    assert!(first.is_none() || version() != first, "{first:?} for two contents");
}

/// No call takes a path out of the storage or into its hidden corners.
pub fn a_path_that_leaves_the_storage_is_refused(storage: &Arc<dyn Storage>) {
    put(&**storage, "good", b"1");
    for path in ["", "/good", "../good", "a/../good", "a//b", "a/", ".hidden", "a/.b", "a\0b"] {
        let refused = [
            storage.put(path, b"", PutMode::Replace).map(drop),
            storage.get(path, None).map(drop),
            storage.delete(path),
            storage.stage(path).map(drop),
            storage.promote("good", path),
            storage.promote(path, "good"),
            storage.log(path, Epoch(1)).map(drop),
        ];
        for (call, refused) in refused.into_iter().enumerate() {
            assert!(matches!(refused, Err(Error::Storage { .. })), "call {call} with `{path}`: {refused:?}");
        }
    }
    assert_eq!(paths(&**storage, "", "", 9), ["good"]);
}

fn records(storage: &dyn Storage, path: &str) -> Vec<String> {
    let mut records = Vec::new();
    storage
        .read_log(path, &mut |record| {
            records.push(String::from_utf8(record.to_vec()).unwrap());
            Ok(())
        })
        .unwrap();
    records
}

/// Synced records come back in order, whoever wrote them; what was not synced may be lost and here is not awaited.
pub fn a_log_gives_back_what_was_synced(storage: &Arc<dyn Storage>) {
    assert_eq!(records(&**storage, "wal/0"), [""; 0], "a log that is not there is empty");
    let mut first = storage.log("wal/0", Epoch(1)).unwrap();
    let mut other = storage.log("wal/00", Epoch(1)).unwrap();
    for record in ["low", "", "high"] {
        first.append(record.as_bytes()).unwrap();
    }
    first.sync().unwrap();
    first.sync().unwrap();
    first.append(b"ebb").unwrap();
    first.sync().unwrap();
    other.append(b"elsewhere").unwrap();
    other.sync().unwrap();
    drop(first);
    let mut second = storage.log("wal/0", Epoch(2)).unwrap();
    second.append(b"flood").unwrap();
    second.sync().unwrap();

    assert_eq!(records(&**storage, "wal/0"), ["low", "", "high", "ebb", "flood"]);
    let stopped = storage.read_log("wal/0", &mut |_| Err(Error::new("enough")));
    assert_eq!(stopped.unwrap_err().to_string(), "enough");

    storage.delete_log("wal/0").unwrap();
    storage.delete_log("wal/0").unwrap();
    assert_eq!(records(&**storage, "wal/0"), [""; 0]);
    assert_eq!(records(&**storage, "wal/00"), ["elsewhere"], "the log beside it stays");
}

/// Whoever was there before the last opening writes nothing any more.
pub fn an_older_writer_of_a_log_is_fenced(storage: &Arc<dyn Storage>) {
    let fenced = |result: Result<(), Error>, who: &str| {
        assert!(matches!(result, Err(Error::Fenced(_))), "{who}: {result:?}");
    };
    let mut old = storage.log("wal", Epoch(1)).unwrap();
    let mut same = storage.log("wal", Epoch(1)).unwrap();
    old.append(b"of the first").unwrap();
    fenced(old.sync(), "the first, after a second of the same epoch");
    same.append(b"same").unwrap();
    same.sync().unwrap();

    let mut new = storage.log("wal", Epoch(5)).unwrap();
    new.append(b"new").unwrap();
    same.append(b"too late").unwrap();
    fenced(same.sync(), "the second, after the takeover and before the first record");
    new.sync().unwrap();
    fenced(same.sync(), "the second, again");
    fenced(storage.log("wal", Epoch(4)).map(drop), "one that opens too late");

    assert_eq!(records(&**storage, "wal"), ["same", "new"]);

    // A log that was deleted does not come to life again.
    storage.delete_log("wal").unwrap();
    new.append(b"ghost").unwrap();
    fenced(new.sync(), "a writer whose log was deleted");
    assert_eq!(records(&**storage, "wal"), [""; 0]);
}

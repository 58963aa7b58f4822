//! Holds a [`StateBackend`] to its promises.

use std::sync::Arc;

use crate::state::{Changes, Keys, ScanCursor, StateBackend, Values};
#[cfg(doc)]
use crate::state::{StateStore, StateView};
use crate::storage::MemoryStorage;
use crate::{BatchTime, Error};

mod bases;
mod model;

use self::bases::reopened;
pub use self::bases::{
    an_incomplete_base_is_refused, members_with_other_groups_take_over, what_was_saved_is_opened_again,
};
use self::model::{ALL, Model, Random, assert_holds, batch, group, open, puts, removal, scanned, value};

/// Runs the whole suite; `backend` gives one that knows of no store yet.
///
/// # Panics
/// Where a promise of [`StateView`], [`StateStore`] or [`StateBackend`] is broken.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use tidemill::{MemoryState, testing::state::conformance};
///
/// conformance(|| Arc::new(MemoryState::new()));
/// ```
pub fn conformance(backend: impl Fn() -> Arc<dyn StateBackend>) {
    let suite: [fn(&dyn StateBackend); 13] = [
        a_new_store_is_empty,
        random_batches_end_as_in_a_plain_map,
        the_later_change_of_a_key_counts,
        answers_come_in_the_order_of_the_keys,
        a_delta_that_is_not_applied_leaves_no_trace,
        an_old_batch_changes_nothing,
        a_failed_batch_changes_nothing,
        a_large_group_is_scanned_in_chunks,
        snapshots_hold_still,
        readers_see_all_of_a_batch_or_nothing,
        what_was_saved_is_opened_again,
        an_incomplete_base_is_refused,
        members_with_other_groups_take_over,
    ];
    for check in suite {
        check(&*backend());
    }
}

/// Nothing was applied, nothing is found, and two stores of a backend do not know each other.
pub fn a_new_store_is_empty(backend: &dyn StateBackend) {
    let store = open(backend, "counts", 3..9);
    let other = open(backend, "other", 3..9);
    store.apply(batch(1), puts(&[(3, "ebb", "1")])).unwrap();

    assert_eq!(other.groups(), 3..9);
    assert_eq!(other.applied().unwrap(), None);
    assert_eq!(scanned(&*other), Model::new());
    assert_eq!(value(&*other, 3, "ebb"), None);
    assert_eq!(value(&*store, 3, "ebb"), Some("1".into()));
}

/// Many batches of many tasks, some without changes, against a plain map.
pub fn random_batches_end_as_in_a_plain_map(backend: &dyn StateBackend) {
    for (round, groups) in [0..128, 40..43, 127..128].into_iter().enumerate() {
        let store = open(backend, &format!("round-{round}"), groups.clone());
        let (mut random, mut model) = (Random(round as u64), Model::new());
        for number in 1..=15 {
            let delta = if number % 5 == 0 { vec![] } else { random.delta(&groups, &mut model) };
            store.apply(batch(number), delta).unwrap();
            assert_eq!(store.applied().unwrap(), Some(batch(number)));
            assert_holds(&*store, &model, &mut random, &format!("after batch {number} of round {round}"));
        }
        assert!(model.len() > 20, "the model is worth a comparison");
    }
}

/// Within a buffer, and from a task to the next.
pub fn the_later_change_of_a_key_counts(backend: &dyn StateBackend) {
    let store = open(backend, "counts", ALL);
    let mut twice = puts(&[(0, "a", "1"), (0, "a", "2"), (0, "b", "1"), (1, "a", "other group")]);
    twice.extend(removal(0, "b"));
    twice.extend(puts(&[(0, "c", "1")]));
    twice.extend(removal(0, "d"));
    twice.extend(puts(&[(0, "c", "longer than before"), (0, "d", "back")]));
    store.apply(batch(1), twice).unwrap();

    let found = ["a", "b", "c", "d"].map(|key| value(&*store, 0, key));
    assert_eq!(found, [Some("2".into()), None, Some("longer than before".into()), Some("back".into())]);
    assert_eq!(value(&*store, 1, "a"), Some("other group".into()));
}

/// Unknown keys between known ones, one key twice, groups in any order, and nothing left of the answers before.
pub fn answers_come_in_the_order_of_the_keys(backend: &dyn StateBackend) {
    let store = open(backend, "counts", ALL);
    store
        .apply(batch(1), puts(&[(9, "z", "26"), (1, "a", "1"), (127, "", "empty key"), (5, "e", "")]))
        .unwrap();
    let (mut keys, mut values) = (Keys::new(), Values::new());
    for (index, key) in [(9, "z"), (1, "z"), (127, ""), (1, "a"), (9, "z"), (5, "e"), (0, "")] {
        keys.push_encoded(group(index), key.as_bytes());
    }
    values.push(Some(b"of the lookup before"));

    store.read(&keys, &mut values).unwrap();

    let answers: Vec<_> =
        values.iter().map(|value| value.map(|value| str::from_utf8(value).unwrap())).collect();
    let expected = [Some("26"), None, Some("empty key"), Some("1"), Some("26"), Some(""), None];
    assert_eq!(answers, expected);
    store.read(&Keys::new(), &mut values).unwrap();
    assert!(values.is_empty(), "no keys, no answers");
}

/// A try reads, writes its delta and fails; the next one reads what the first one read.
pub fn a_delta_that_is_not_applied_leaves_no_trace(backend: &dyn StateBackend) {
    let store = open(backend, "counts", ALL);
    store.apply(batch(1), puts(&[(7, "ebb", "1")])).unwrap();
    let before = scanned(&*store);
    for attempt in ["first", "second"] {
        assert_eq!(value(&*store, 7, "ebb"), Some("1".into()), "what the {attempt} try reads");
        let mut delta = puts(&[(7, "ebb", "2"), (7, "flood", "1")]);
        delta.extend(removal(7, "ebb"));
        drop(delta);
    }

    assert_eq!(scanned(&*store), before);
    assert_eq!(store.applied().unwrap(), Some(batch(1)));
    store.apply(batch(2), puts(&[(7, "ebb", "2")])).unwrap();
    assert_eq!(value(&*store, 7, "ebb"), Some("2".into()));
}

/// The batch that was applied last, and those before it, are passed over.
pub fn an_old_batch_changes_nothing(backend: &dyn StateBackend) {
    let store = open(backend, "counts", ALL);
    store.apply(batch(5), puts(&[(7, "ebb", "5")])).unwrap();
    for old in [5, 4, 1] {
        store.apply(batch(old), puts(&[(7, "ebb", "old"), (8, "new", "old")])).unwrap();
        store.apply(batch(old), removal(7, "ebb")).unwrap();

        assert_eq!(store.applied().unwrap(), Some(batch(5)), "after batch {old}");
        assert_eq!(value(&*store, 7, "ebb"), Some("5".into()), "after batch {old}");
        assert_eq!(value(&*store, 8, "new"), None, "after batch {old}");
    }
    // Times need not be dense.
    store.apply(BatchTime::from_millis(5001), removal(7, "ebb")).unwrap();
    assert_eq!(value(&*store, 7, "ebb"), None);
}

/// A group of another member is an error in each call, and a delta that names one is not taken in at all.
pub fn a_failed_batch_changes_nothing(backend: &dyn StateBackend) {
    let store = open(backend, "counts", 10..20);
    store.apply(batch(1), puts(&[(10, "ebb", "1")])).unwrap();
    let before = scanned(&*store);

    for foreign in [9, 20, 127] {
        let mut delta = puts(&[(10, "ebb", "2"), (19, "new", "1")]);
        delta.extend(puts(&[(10, "also", "1"), (foreign, "x", "1"), (11, "behind", "1")]));
        let applied = store.apply(batch(2), delta);
        let (mut keys, mut values, mut chunk) = (Keys::new(), Values::new(), Changes::new());
        keys.push_encoded(group(10), b"ebb");
        keys.push_encoded(group(foreign), b"x");
        let read = store.read(&keys, &mut values);
        let scan = store.scan(group(foreign), &mut ScanCursor::new(), &mut chunk).map(drop);
        let saved = store.save(foreign..foreign + 1, &MemoryStorage::new(), "bases/1", &[]).map(drop);
        for (call, result) in [("apply", applied), ("read", read), ("scan", scan), ("save", saved)] {
            assert!(matches!(result, Err(Error::State(_))), "{call} with group {foreign}: {result:?}");
        }
        assert_eq!(scanned(&*store), before);
        assert_eq!(store.applied().unwrap(), Some(batch(1)));
    }
    store.apply(batch(2), puts(&[(10, "ebb", "2")])).unwrap();
    assert_eq!(value(&*store, 10, "ebb"), Some("2".into()));
}

/// More than a chunk, of entries of all sizes: each comes once, and a chunk stays small.
pub fn a_large_group_is_scanned_in_chunks(backend: &dyn StateBackend) {
    const LARGEST: usize = 100_000;
    let store = open(backend, "counts", ALL);
    let (mut changes, mut model) = (Changes::new(), Model::new());
    for number in 0..5000_usize {
        let (key, length) =
            (number.to_string().into_bytes(), if number == 77 { LARGEST } else { number % 300 });
        changes.put(group(4), &key, &vec![number as u8; length]);
        model.insert((4, key), vec![number as u8; length]);
    }
    store.apply(batch(1), vec![changes]).unwrap();

    assert_eq!(scanned(&*store), model);
    let (mut cursor, mut chunk, mut chunks) = (ScanCursor::new(), Changes::new(), 0);
    while store.scan(group(4), &mut cursor, &mut chunk).unwrap() {
        chunks += 1;
        let bytes = chunk.as_bytes().len();
        assert!(bytes < 2 * 64 * 1024 + LARGEST, "{bytes} bytes in a chunk");
    }
    assert!(chunks > 2, "{chunks} chunks for 900 kB");
}

/// Whatever is applied after them; a snapshot of a snapshot's time can be saved, too.
pub fn snapshots_hold_still(backend: &dyn StateBackend) {
    let store = open(backend, "counts", ALL);
    let (mut random, mut model) = (Random(4), Model::new());
    let mut snapshots = vec![(store.snapshot().unwrap(), None, model.clone())];
    for number in 1..=6 {
        store.apply(batch(number), random.delta(&ALL, &mut model)).unwrap();
        snapshots.push((store.snapshot().unwrap(), Some(batch(number)), model.clone()));
    }

    for (snapshot, applied, model) in &snapshots {
        assert_eq!(snapshot.applied().unwrap(), *applied);
        assert_eq!(snapshot.groups(), ALL);
        assert_holds(&**snapshot, model, &mut random, &format!("of the snapshot at {applied:?}"));
    }
    drop(store);
    let (snapshot, applied, model) = &snapshots[3];
    let storage = MemoryStorage::new();
    let base = snapshot.save(ALL, &storage, "bases/3", &[]).unwrap();
    assert_eq!(base.applied, *applied);
    assert_holds(&*reopened(backend, &storage, ALL, &[base]), model, &mut random, "from a snapshot's base");
}

/// Two keys of two groups change together in each batch: no reader sees them apart.
pub fn readers_see_all_of_a_batch_or_nothing(backend: &dyn StateBackend) {
    // Enough that a reader comes between the halves of some batch, were there halves.
    const BATCHES: u64 = 2000;
    let store = open(backend, "counts", ALL);
    let pair = |number: u64| {
        let number = number.to_string();
        puts(&[(0, "first", &number), (127, "second", &number)])
    };
    store.apply(batch(1), pair(1)).unwrap();
    let (mut keys, mut values) = (Keys::new(), Values::new());
    keys.push_encoded(group(127), b"second");
    keys.push_encoded(group(0), b"first");

    #[allow(clippy::disallowed_methods, reason = "readers that really run beside the writer are the point")]
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 2..=BATCHES {
                store.apply(batch(number), pair(number)).unwrap();
            }
        });
        while !writer.is_finished() {
            let snapshot = store.snapshot().unwrap();
            for view in [&*snapshot, &*store] {
                view.read(&keys, &mut values).unwrap();
                assert_eq!(values.get(0), values.get(1), "both are of one batch");
            }
            let applied = snapshot.applied().unwrap().unwrap();
            let expected = (applied.as_millis() / 1000).to_string();
            assert_eq!(value(&*snapshot, 0, "first"), Some(expected), "`applied` and content go together");
        }
    });
    assert_eq!(value(&*store, 0, "first"), Some(BATCHES.to_string()));
}

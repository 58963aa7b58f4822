//! Bases: what was saved is opened again, by the same members or by others.

use std::ops::Range;
use std::sync::Arc;

use super::model::{ALL, Model, Random, assert_holds, batch, open, puts, scanned, value};
use crate::state::{Changes, StateBackend, StateBase, StateOpening, StateStore};
use crate::storage::{MemoryStorage, Put, PutMode, Storage as _};
use crate::{Error, Wire as _};

/// A store that begins anew from bases: another operator's name, so that files of its own are of no use.
pub(super) fn reopened(
    backend: &dyn StateBackend,
    storage: &MemoryStorage,
    groups: Range<u8>,
    bases: &[StateBase],
) -> Arc<dyn StateStore> {
    let opening = StateOpening::new("ledger-2", "counts", groups, storage).bases(bases);
    let committed = opening.bases_applied();
    backend.open(&opening.committed(committed)).unwrap()
}

/// Base, deltas, base again with the objects before as kept: each opens as the store was, and goes on.
pub fn what_was_saved_is_opened_again(backend: &dyn StateBackend) {
    let store = open(backend, "counts", ALL);
    let storage = MemoryStorage::new();
    let (mut random, mut model, mut kept) = (Random(5), Model::new(), Vec::new());
    let mut bases = Vec::new();
    for number in 1..=3 {
        store.apply(batch(number), random.delta(&ALL, &mut model)).unwrap();
        let base = store.save(ALL, &storage, &format!("bases/{number}"), &kept).unwrap();
        assert_eq!((base.applied, base.groups.clone()), (Some(batch(number)), ALL));
        let length = |path: &String| storage.get(path, None).unwrap().expect("a named object is there").len();
        assert_eq!(base.objects.iter().map(length).sum::<usize>() as u64, base.bytes);
        for path in &base.objects {
            let new = path.starts_with(&format!("bases/{number}/"));
            assert!(new || kept.contains(path), "`{path}` is neither below its path nor kept");
        }
        kept.clone_from(&base.objects);
        bases.push((base, model.clone()));
    }

    for (base, model) in &bases {
        // What stands in a manifest is the base as serde writes it.
        let (mut written, mut back) = (Vec::new(), Vec::new());
        base.encode(&mut written).unwrap();
        back.push(StateBase::decode(&mut written.as_slice()).unwrap());
        let again = reopened(backend, &storage, ALL, &back);
        assert_eq!(again.applied().unwrap(), base.applied);
        assert_holds(&*again, model, &mut random, &format!("from the base at {:?}", base.applied));

        let mut model = model.clone();
        again.apply(batch(9), random.delta(&ALL, &mut model)).unwrap();
        assert_holds(&*again, &model, &mut random, "after a batch on top of a base");
    }

    let empty = open(backend, "empty", 3..5).save(3..5, &storage, "bases/empty", &[]).unwrap();
    let again = reopened(backend, &storage, 3..5, &[empty]);
    assert_eq!((again.applied().unwrap(), scanned(&*again)), (None, Model::new()));
}

/// An object that is missing, cut or damaged is noticed when the store is opened.
pub fn an_incomplete_base_is_refused(backend: &dyn StateBackend) {
    let store = open(backend, "counts", ALL);
    let storage = MemoryStorage::new();
    store.apply(batch(1), puts(&[(3, "ebb", "1"), (90, "flood", "2")])).unwrap();
    let base = store.save(ALL, &storage, "bases/1", &[]).unwrap();
    assert!(!base.objects.is_empty());

    for path in &base.objects {
        let whole = storage.get(path, None).unwrap().unwrap();
        let mut damaged = whole.clone();
        *damaged.last_mut().expect("an object that is named has bytes") ^= 1;
        let cut = &whole[..whole.len() - 1];
        let put = |bytes: &[u8]| assert_eq!(storage.put(path, bytes, PutMode::Replace).unwrap(), Put::Done);
        let refused = |what: &str| {
            let opening = StateOpening::new("ledger-2", what, ALL, &storage).committed(base.applied);
            let opened = backend.open(&opening.bases(std::slice::from_ref(&base))).map(drop);
            assert!(matches!(opened, Err(Error::Corrupt { .. })), "`{path}` is {what}: {opened:?}");
        };
        put(&damaged);
        refused("damaged");
        put(cut);
        refused("cut");
        storage.delete(path).unwrap();
        refused("missing");
        put(&whole);
    }
    assert_eq!(value(&*reopened(backend, &storage, ALL, &[base]), 90, "flood"), Some("2".into()));
}

/// Two members become three, whose groups lie across the bases, one of which is older than the other; the deltas that
/// the ledger still has bring all to the same batch.
pub fn members_with_other_groups_take_over(backend: &dyn StateBackend) {
    let storage = MemoryStorage::new();
    let (mut random, mut model) = (Random(6), Model::new());
    let (low, high) = (open(backend, "low", 0..64), open(backend, "high", 64..128));
    let (mut bases, mut ledger) = (Vec::new(), Vec::new());
    for number in 1..=6 {
        let delta = random.delta(&ALL, &mut model);
        low.apply(batch(number), within(&delta, &(0..64))).unwrap();
        high.apply(batch(number), within(&delta, &(64..128))).unwrap();
        ledger.push((batch(number), delta));
        // Group by group on one member, all at once on the other, and at other times.
        if number == 2 {
            let save =
                |index| low.save(index..index + 1, &storage, &format!("bases/low-{index}"), &[]).unwrap();
            bases.extend((0..64).map(save));
        }
        if number == 4 {
            bases.push(high.save(64..128, &storage, "bases/high", &[]).unwrap());
        }
    }

    for groups in [0..40, 40..90, 90..128] {
        let uid = format!("from-{}", groups.start);
        let opening = StateOpening::new("ledger-1", &uid, groups.clone(), &storage).bases(&bases);
        let store = backend.open(&opening.committed(Some(batch(6)))).unwrap();
        let applied = store.applied().unwrap();
        assert_eq!(applied, Some(batch(if groups.start < 64 { 2 } else { 4 })), "member of {groups:?}");
        for (batch, delta) in ledger.iter().filter(|(batch, _)| Some(*batch) > applied) {
            store.apply(*batch, within(delta, &groups)).unwrap();
        }

        let mine = model.iter().filter(|((index, _), _)| groups.contains(index));
        let mine: Model = mine.map(|(key, value)| (key.clone(), value.clone())).collect();
        assert_eq!(store.applied().unwrap(), Some(batch(6)));
        assert_holds(&*store, &mine, &mut random, &format!("of the member of {groups:?}"));
    }
}

/// The changes of a member's groups.
fn within(delta: &[Changes], groups: &Range<u8>) -> Vec<Changes> {
    let mine = |changes: &Changes| {
        let mut mine = Changes::new();
        changes
            .iter()
            .filter(|change| groups.contains(&change.group.index()))
            .for_each(|change| mine.push(change));
        mine
    };
    delta.iter().map(mine).collect()
}

//! Every state store of tidemill keeps the promises of [`StateStore`], and so does one that is built quite differently.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidemill::testing::state::conformance;
use tidemill::testing::{collect_batches, input_batches, local, run_batches};
use tidemill::{
    BatchTime, Changes, Error, KeyGroup, Keys, MemoryState, MemoryStorage, Put, PutMode, Result, ScanCursor,
    StateBackend, StateBase, StateOpening, StateSpec, StateStore, StateView, Storage, StreamingContext,
    Values, Wire as _, envelope,
};

#[test]
fn memory() {
    conformance(|| Arc::new(MemoryState::new()));
}

#[test]
fn sorted_runs() {
    conformance(|| Arc::new(SortedRuns));
}

/// What each batch gives, sorted: each key with its sum, those that time out, and all states behind the batch.
fn sums(ssc: &StreamingContext, batches: &[Vec<(u8, u64)>]) -> Vec<Vec<(u8, u64, bool)>> {
    let pairs = input_batches(ssc, 3, batches.to_vec());
    let spec = StateSpec::new().timeout(Duration::from_secs(2));
    let sums = pairs.map_with_state(spec, |key, value, sum| {
        let now = sum.get().unwrap_or(&0) + value.unwrap_or(0);
        match value {
            Some(0) if sum.exists() => sum.remove(),
            Some(_) => sum.update(now),
            None => {}
        }
        (*key, now, sum.is_timing_out())
    });
    let all = sums.state_snapshots().map(|(key, sum)| (key, sum, false));
    let given = collect_batches(&sums.union(&all));
    run_batches(ssc, batches.len() as u64).unwrap();
    ssc.stop(true).unwrap();
    let mut given = given.batches();
    given.iter_mut().for_each(|batch| batch.sort_unstable());
    given
}

#[test]
fn a_job_gives_the_same_over_sorted_runs_also_after_restarts() {
    // Keys come, are silent for too long, and come again; some are removed.
    let batch = |batch: u64| (0..9).map(move |key| (key, (batch * 7 + u64::from(key) * batch) % 5));
    let batches: Vec<Vec<(u8, u64)>> =
        (0..140).map(|n| batch(n).filter(|(key, _)| (n + u64::from(*key)) % 11 < 6).collect()).collect();
    let (expected, storage) = (sums(&local(2), &batches), MemoryStorage::new());
    assert!(expected.concat().iter().any(|(_, _, over)| *over), "some keys time out");
    let mut given = Vec::new();
    // The first run is long enough for bases.
    for batches in [&batches[..100], &batches[100..103], &batches[103..]] {
        let ssc = local(2);
        ssc.checkpoint_to(storage.clone());
        ssc.state_backend(SortedRuns);
        given.extend(sums(&ssc, batches));
    }
    assert_eq!(given, expected);
}

/// As a tree of sorted runs works: a batch is a run that never changes, a lookup asks the newest run first, a cursor is
/// the last key, and a base names the runs that were saved before instead of writing them again.
#[derive(Debug)]
struct SortedRuns;

type Key = (u8, Vec<u8>);

/// A batch, or a base: where it lies if it was saved, and what it changes.
#[derive(Clone)]
struct Run {
    batch: Option<BatchTime>,
    entries: Arc<BTreeMap<Key, Option<Vec<u8>>>>,
}

#[derive(Clone)]
struct Runs {
    groups: Range<u8>,
    applied: Option<BatchTime>,
    oldest_first: Vec<Run>,
}

struct RunStore(Mutex<Runs>);

impl RunStore {
    fn now(&self) -> Runs {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl StateBackend for SortedRuns {
    fn open(&self, opening: &StateOpening<'_>) -> Result<Arc<dyn StateStore>> {
        let mut runs = Vec::new();
        for base in opening.bases {
            for path in &base.objects {
                let missing = || Error::Corrupt { path: path.clone(), reason: "it is missing".into() };
                let sealed = opening.storage.get(path, None)?.ok_or_else(missing)?;
                let (_, mut payload) = envelope::open(*b"RUNS", path, &sealed)?;
                let entries = BTreeMap::<Key, Option<Vec<u8>>>::decode(&mut payload)?;
                let mine = |(group, _): &Key| base.groups.contains(group) && opening.groups.contains(group);
                let entries = entries.into_iter().filter(|(key, _)| mine(key)).collect();
                runs.push(Run { batch: base.applied, entries: Arc::new(entries) });
            }
        }
        let (groups, applied) = (opening.groups.clone(), opening.bases_applied());
        Ok(Arc::new(RunStore(Mutex::new(Runs { groups, applied, oldest_first: runs }))))
    }
}

impl Runs {
    fn check(&self, group: KeyGroup) -> Result<()> {
        let known = self.groups.contains(&group.index());
        if known { Ok(()) } else { Err(Error::State(format!("no group {}", group.index()))) }
    }

    fn newest(&self, key: &Key) -> Option<&[u8]> {
        self.oldest_first.iter().rev().find_map(|run| run.entries.get(key))?.as_deref()
    }
}

impl StateView for Runs {
    fn groups(&self) -> Range<u8> {
        self.groups.clone()
    }

    fn applied(&self) -> Result<Option<BatchTime>> {
        Ok(self.applied)
    }

    fn read(&self, keys: &Keys, values: &mut Values) -> Result<()> {
        values.clear();
        keys.iter().try_for_each(|(group, key)| {
            self.check(group)?;
            values.push(self.newest(&(group.index(), key.to_vec())));
            Ok(())
        })
    }

    fn scan(&self, group: KeyGroup, cursor: &mut ScanCursor, chunk: &mut Changes) -> Result<bool> {
        self.check(group)?;
        chunk.clear();
        // A byte before the key, so that the mark behind an empty key is not the mark of the start.
        let behind = cursor.mark().get(1..).map(<[u8]>::to_vec);
        let mut keys: Vec<&Key> = self.oldest_first.iter().flat_map(|run| run.entries.keys()).collect();
        keys.retain(|(of, key)| *of == group.index() && behind.as_ref().is_none_or(|behind| key > behind));
        keys.sort();
        keys.dedup();
        for key in keys.into_iter().filter(|key| self.newest(key).is_some()).take(100) {
            chunk.put(group, &key.1, self.newest(key).unwrap_or_default());
            cursor.set_mark(&[&[1], &key.1[..]].concat());
        }
        Ok(!chunk.is_empty())
    }

    fn save(&self, groups: Range<u8>, to: &dyn Storage, path: &str, kept: &[String]) -> Result<StateBase> {
        let mut base = StateBase { groups: groups.clone(), applied: self.applied, objects: vec![], bytes: 0 };
        for group in groups {
            self.check(KeyGroup::from_index(group).ok_or_else(|| Error::State("no group".into()))?)?;
        }
        for (number, run) in self.oldest_first.iter().enumerate() {
            let name = format!("/run-{number}-{:?}", run.batch.map(BatchTime::as_millis));
            let mut entries = Vec::new();
            run.entries.encode(&mut entries)?;
            let sealed = envelope::seal(*b"RUNS", 1, &entries);
            let object = if let Some(kept) = kept.iter().find(|kept| kept.ends_with(&name)) {
                kept.clone()
            } else {
                let object = format!("{path}{name}");
                let _: Put = to.put(&object, &sealed, PutMode::Replace)?;
                object
            };
            base.objects.push(object);
            base.bytes += sealed.len() as u64;
        }
        Ok(base)
    }
}

impl StateView for RunStore {
    fn groups(&self) -> Range<u8> {
        self.now().groups()
    }
    fn applied(&self) -> Result<Option<BatchTime>> {
        self.now().applied()
    }
    fn read(&self, keys: &Keys, values: &mut Values) -> Result<()> {
        self.now().read(keys, values)
    }
    fn scan(&self, group: KeyGroup, cursor: &mut ScanCursor, chunk: &mut Changes) -> Result<bool> {
        self.now().scan(group, cursor, chunk)
    }
    fn save(&self, groups: Range<u8>, to: &dyn Storage, path: &str, kept: &[String]) -> Result<StateBase> {
        self.now().save(groups, to, path, kept)
    }
}

impl StateStore for RunStore {
    fn apply(&self, batch: BatchTime, delta: Vec<Changes>) -> Result<()> {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if runs.applied >= Some(batch) {
            return Ok(());
        }
        let mut entries = BTreeMap::new();
        for change in delta.iter().flat_map(Changes::iter) {
            runs.check(change.group)?;
            entries.insert((change.group.index(), change.key.to_vec()), change.value.map(<[u8]>::to_vec));
        }
        runs.oldest_first.push(Run { batch: Some(batch), entries: Arc::new(entries) });
        runs.applied = Some(batch);
        Ok(())
    }

    fn snapshot(&self) -> Result<Arc<dyn StateView>> {
        Ok(Arc::new(self.now()))
    }
}

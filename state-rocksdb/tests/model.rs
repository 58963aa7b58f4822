//! Whatever happens to a store between its batches, with the ledger's deltas it ends as a plain map does.

mod support;

use std::fs;

use proptest::prelude::*;
use tidemill::{Changes, Keys, MemoryStorage, StateBase, StateStore, Values};

use self::support::{Model, Opened, batch, group, scanned};

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    /// A batch changes keys: group, key, and the length of the value; none removes the key.
    Batch(Vec<(u8, u8, Option<u16>)>),
    /// A base of all groups, or of some of them.
    Base { all: bool },
    /// The job is stopped and started again.
    Restart,
    /// It starts on another machine.
    EmptyDisk,
    /// Its files are of a batch that never was committed.
    Ahead,
}

/// The groups of the member.
const GROUPS: std::ops::Range<u8> = 30..36;

fn step() -> impl Strategy<Value = Step> {
    let change = (GROUPS, 0..40_u8, prop::option::weighted(0.7, 0..2000_u16));
    prop_oneof![
        6 => prop::collection::vec(change, 0..60).prop_map(Step::Batch),
        2 => any::<bool>().prop_map(|all| Step::Base { all }),
        1 => Just(Step::Restart),
        1 => Just(Step::EmptyDisk),
        1 => Just(Step::Ahead),
    ]
}

/// A job around a store: its ledger, its bases, and what the state should be.
struct Job {
    folder: tempfile::TempDir,
    storage: MemoryStorage,
    ledger: Vec<Vec<Changes>>,
    bases: Vec<StateBase>,
    saves: u32,
    model: Model,
}

impl Job {
    fn start(&self) -> std::sync::Arc<dyn StateStore> {
        let committed = self.ledger.len() as u64;
        let opened = Opened {
            folder: self.folder.path(),
            ledger: "job-1",
            groups: GROUPS,
            committed: (committed > 0).then_some(committed),
            storage: &self.storage,
            bases: &self.bases,
        };
        let store = opened.store();
        let applied = store.applied().unwrap().map_or(0, |batch| batch.as_millis() / 1000);
        assert!(applied <= committed, "{applied} is ahead of {committed}");
        for (number, delta) in (1..).zip(&self.ledger).filter(|(number, _)| *number > applied) {
            store.apply(batch(number), delta.clone()).unwrap();
        }
        store
    }

    fn batch(&mut self, store: &dyn StateStore, changed: Vec<(u8, u8, Option<u16>)>) {
        let mut delta = Changes::new();
        let number = self.ledger.len() as u64 + 1;
        for (index, key, value) in changed {
            if let Some(bytes) = value {
                let value = vec![number as u8; usize::from(bytes)];
                delta.put(group(index), &[key], &value);
                self.model.insert((index, vec![key]), value);
            } else {
                delta.remove(group(index), &[key]);
                self.model.remove(&(index, vec![key]));
            }
        }
        self.ledger.push(vec![delta.clone()]);
        store.apply(batch(number), vec![delta]).unwrap();
    }

    /// As the engine does it: of a snapshot, and a new base replaces the groups of older ones.
    fn base(&mut self, store: &dyn StateStore, all: bool) {
        self.saves += 1;
        let path = format!("bases/{}", self.saves);
        let snapshot = store.snapshot().unwrap();
        let kept: Vec<String> = self.bases.iter().flat_map(|base| base.objects.clone()).collect();
        if all {
            self.bases = vec![snapshot.save(GROUPS, &self.storage, &path, &kept).unwrap()];
            return;
        }
        let halves = [GROUPS.start..33, 33..GROUPS.end].into_iter().enumerate();
        let saved = halves.map(|(half, groups)| {
            snapshot.save(groups, &self.storage, &format!("{path}-{half}"), &kept).unwrap()
        });
        self.bases = saved.collect();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_ends_as_a_plain_map(steps in prop::collection::vec(step(), 1..25)) {
        let mut job = Job {
            folder: tempfile::tempdir().unwrap(),
            storage: MemoryStorage::new(),
            ledger: Vec::new(),
            bases: Vec::new(),
            saves: 0,
            model: Model::new(),
        };
        let mut store = job.start();
        for step in steps {
            match step {
                Step::Batch(changed) => job.batch(&*store, changed),
                Step::Base { all } => job.base(&*store, all),
                Step::Restart => {
                    drop(store);
                    store = job.start();
                }
                Step::EmptyDisk => {
                    drop(store);
                    fs::remove_dir_all(job.folder.path()).unwrap();
                    store = job.start();
                }
                Step::Ahead => {
                    let mut never = Changes::new();
                    never.put(group(30), b"never", b"committed");
                    store.apply(batch(job.ledger.len() as u64 + 1), vec![never]).unwrap();
                    drop(store);
                    store = job.start();
                }
            }
            prop_assert_eq!(&scanned(&*store), &job.model);
        }
        let (mut keys, mut values) = (Keys::new(), Values::new());
        let asked: Vec<(u8, u8)> = GROUPS.flat_map(|index| (0..40).map(move |key| (index, key))).collect();
        asked.iter().for_each(|(index, key)| keys.push_encoded(group(*index), &[*key]));
        store.read(&keys, &mut values).unwrap();
        for ((index, key), value) in asked.into_iter().zip(values.iter()) {
            prop_assert_eq!(value, job.model.get(&(index, vec![key])).map(Vec::as_slice));
        }
    }
}

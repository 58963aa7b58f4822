//! An operator for tests: in each batch it adds the batch's second, times a partition's number, to that partition's sum.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::Mutex;

use crate::context::StreamingContext;
use crate::dstream::{BaseJob, BaseWanted, Keeper, Opening};
use crate::rdd::Job;
use crate::runtime::Site;
use crate::state::{Delta, Shape, StateBase};
use crate::storage::PutMode;
use crate::words::{BatchTime, Error, Result};

const PARTITIONS: u32 = 8;
const GROUPS: u8 = 128 / PARTITIONS as u8;

/// Running sums, one a partition.
pub(super) struct Sums {
    site: Site,
    pub(super) version: AtomicU32,
    /// Bases fail while it is set.
    pub(super) bases_fail: Arc<AtomicBool>,
    /// What was committed cannot be taken in while it is set.
    pub(super) commit_fails: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    mine: Vec<u32>,
    sums: BTreeMap<u32, u64>,
    applied: BTreeMap<u32, BatchTime>,
    pending: BTreeMap<u32, u64>,
    replayed: Vec<u64>,
    bases: usize,
}

/// What the partitions come to after the batches of these seconds.
pub(super) fn expected(seconds: impl Iterator<Item = u64>) -> Vec<u64> {
    let total: u64 = seconds.sum();
    (1..=u64::from(PARTITIONS)).map(|partition| partition * total).collect()
}

/// The sums of all members, by partition.
pub(super) fn together(of_members: Vec<BTreeMap<u32, u64>>) -> Vec<u64> {
    let all: BTreeMap<u32, u64> = of_members.into_iter().flatten().collect();
    assert_eq!(all.len(), PARTITIONS as usize);
    all.into_values().collect()
}

impl Sums {
    #[track_caller]
    pub(super) fn draw(ssc: &StreamingContext, uid: &'static str) -> Arc<Self> {
        let sums = Arc::new(Self {
            site: Site::new("sums", Location::caller()),
            version: AtomicU32::new(1),
            bases_fail: Arc::default(),
            commit_fails: AtomicBool::new(false),
            state: Mutex::default(),
        });
        ssc.graph().keep(move || Some(uid.to_owned()), Arc::clone(&sums) as Arc<dyn Keeper>);
        sums
    }

    pub(super) fn sums(&self) -> BTreeMap<u32, u64> {
        self.state.lock().sums.clone()
    }

    /// The seconds of the batches that were read from deltas at the start.
    pub(super) fn replayed(&self) -> Vec<u64> {
        self.state.lock().replayed.clone()
    }

    /// How many partitions were found in bases.
    pub(super) fn found_in_bases(&self) -> usize {
        self.state.lock().bases
    }
}

impl Keeper for Sums {
    fn site(&self) -> Site {
        self.site
    }

    fn shape(&self) -> Shape {
        Shape { kind: "sums".into(), version: self.version.load(Ordering::Relaxed), ..Shape::default() }
    }

    fn must_checkpoint(&self) -> bool {
        true
    }

    fn open(&self, opening: &Opening<'_>) -> Result<()> {
        let (me, members) = (opening.engine.me(), opening.engine.members());
        let mut state = self.state.lock();
        state.mine = (0..PARTITIONS).filter(|partition| partition % members == me).collect();
        for partition in state.mine.clone() {
            state.sums.insert(partition, 0);
            let group = partition as u8 * GROUPS;
            let Some(base) = opening.bases.iter().find(|base| base.groups.contains(&group)) else { continue };
            let name = format!("/{partition}");
            let path = base.objects.iter().find(|path| path.ends_with(&name));
            let path = path.ok_or_else(|| Error::new("no object of the partition"))?;
            let bytes = opening.storage.get(path, None)?.ok_or_else(|| Error::new("the object is gone"))?;
            state.sums.insert(partition, number(&bytes));
            state.bases += 1;
            if let Some(batch) = base.applied {
                state.applied.insert(partition, batch);
            }
        }
        Ok(())
    }

    fn replay(&self, batch: BatchTime, deltas: &[Delta]) -> Result<()> {
        let mut state = self.state.lock();
        state.replayed.push(batch.as_millis() / 1000);
        for delta in deltas {
            let known = state.applied.get(&delta.partition).copied();
            if state.mine.contains(&delta.partition) && Some(batch) > known {
                *state.sums.entry(delta.partition).or_default() += number(&delta.bytes);
            }
        }
        Ok(())
    }

    fn run(&self, time: BatchTime, _: &Arc<Job>) -> Result<bool> {
        let mut state = self.state.lock();
        let adds = |partition: &u32| (*partition, time.as_millis() / 1000 * u64::from(partition + 1));
        state.pending = state.mine.iter().map(adds).collect();
        Ok(true)
    }

    fn delta(&self, _: BatchTime) -> Result<Vec<Delta>> {
        let state = self.state.lock();
        let delta = |(partition, adds): (&u32, &u64)| Delta {
            partition: *partition,
            bytes: adds.to_le_bytes().to_vec(),
        };
        Ok(state.pending.iter().map(delta).collect())
    }

    fn commit(&self, batch: BatchTime) -> Result<()> {
        if self.commit_fails.load(Ordering::Relaxed) {
            return Err(Error::new("the store is broken"));
        }
        let mut guard = self.state.lock();
        let state = &mut *guard;
        for (partition, adds) in std::mem::take(&mut state.pending) {
            *state.sums.entry(partition).or_default() += adds;
            state.applied.insert(partition, batch);
        }
        Ok(())
    }

    fn abandon(&self, _: BatchTime) {
        self.state.lock().pending.clear();
    }

    fn base(&self, wanted: &BaseWanted<'_>) -> Result<Option<BaseJob>> {
        let state = self.state.lock();
        // The partitions with the oldest bases first, those without one before them.
        let age = |partition: &u32| {
            let group = *partition as u8 * GROUPS;
            wanted.kept.iter().find(|base| base.groups.contains(&group)).and_then(|base| base.applied)
        };
        let mut mine = state.mine.clone();
        mine.sort_by_key(age);
        mine.truncate(usize::try_from(wanted.bytes / 8).unwrap_or(usize::MAX).max(1));
        let values: Vec<(u32, u64)> =
            mine.iter().map(|partition| (*partition, state.sums[partition])).collect();
        let (path, batch, fail) = (wanted.path.to_owned(), wanted.batch, Arc::clone(&self.bases_fail));
        Ok(Some(Box::new(move |storage| {
            if fail.load(Ordering::Relaxed) {
                return Err(Error::new("the disk is full"));
            }
            let write = |(partition, sum): (u32, u64)| {
                let object = format!("{path}/{partition}");
                let _ = storage.put(&object, &sum.to_le_bytes(), PutMode::IfAbsent)?;
                let start = partition as u8 * GROUPS;
                let (groups, applied) = (start..start + GROUPS, Some(batch));
                Ok(StateBase { groups, applied, objects: vec![object], bytes: 8 })
            };
            values.into_iter().map(write).collect()
        })))
    }
}

fn number(bytes: &[u8]) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(bytes);
    u64::from_le_bytes(number)
}

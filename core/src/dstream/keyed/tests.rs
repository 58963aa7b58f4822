//! An operator driven by hand, against a plain map: batches, failed tries, batches given up, and restarts.

mod reader;
mod tables;
mod update;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::super::keeper::{BaseJob, BaseWanted, Keeper, Opening};
use super::super::{DStream, Graph};
use crate::context::StreamingContext;
use crate::rdd::Rdd;
use crate::runtime::Site;
use crate::state::{
    Changes, Codec, Delta, MemoryState, Shape, StateBackend, StateBase, StateOpening, StateSpec, StateStore,
};
use crate::storage::{MemoryStorage, Storage};
use crate::testing::local;
use crate::words::{BatchTime, Result};

pub(super) type Records = Vec<(u8, i64)>;
/// What the function gives: the key, the value, the state that it saw, and whether its time was over.
pub(super) type Seen = (u8, Option<i64>, Option<i64>, bool);

/// States in memory, but as bytes behind the seam, as a store on disk has them.
#[derive(Debug)]
pub(super) struct Behind(pub(super) MemoryState);

impl StateBackend for Behind {
    fn open(&self, opening: &StateOpening<'_>) -> Result<Arc<dyn StateStore>> {
        self.0.open(opening)
    }
}

pub(super) const fn millis(batch: u64) -> BatchTime {
    BatchTime::from_millis(batch * 1000)
}

/// What outlives a run.
#[derive(Clone, Default)]
pub(super) struct Written {
    pub(super) shape: Option<Shape>,
    pub(super) bases: Vec<StateBase>,
    pub(super) deltas: Vec<(BatchTime, Vec<Delta>)>,
}

impl Written {
    /// What the batch of this number, from 0, has written down of states without a time, by key.
    fn changes(&self, batch: usize) -> Vec<(u8, Option<i64>)> {
        let mut all = Vec::new();
        for delta in &self.deltas[batch].1 {
            let changes = Changes::from_bytes(delta.bytes.clone(), "delta").unwrap();
            let state = |bytes| Codec::<i64>::default().decode(bytes).unwrap().0;
            all.extend(changes.iter().map(|change| (change.key[0], change.value.map(state))));
        }
        all.sort_unstable();
        all
    }

    /// The new bases take the place of what there was of their groups.
    fn put(&mut self, new: &[StateBase]) {
        for new in new {
            let mut left = Vec::new();
            for old in self.bases.drain(..) {
                let before = old.groups.start..old.groups.end.min(new.groups.start);
                let behind = old.groups.start.max(new.groups.end)..old.groups.end;
                left.extend(
                    [before, behind]
                        .into_iter()
                        .filter(|groups| !groups.is_empty())
                        .map(|groups| StateBase { groups, ..old.clone() }),
                );
            }
            self.bases = left;
            self.bases.push(new.clone());
        }
    }
}

/// A run of a job with one operator.
pub(super) struct Run<E> {
    _ssc: StreamingContext,
    pub(super) graph: Arc<Graph>,
    pub(super) keeper: Arc<dyn Keeper>,
    pub(super) out: DStream<E>,
    pub(super) states: DStream<(u8, i64)>,
}

/// Draws an operator behind a stream with these batches, and opens it.
pub(super) fn start<E: Clone + Send + Sync + 'static>(
    batches: &[Option<Records>],
    backend: &Arc<dyn StateBackend>,
    storage: &Arc<dyn Storage>,
    written: &Written,
    draw: impl Fn(&DStream<(u8, i64)>) -> (DStream<E>, DStream<(u8, i64)>),
) -> Result<Run<E>> {
    let ssc = local(2);
    let graph = Arc::clone(ssc.graph());
    let batches = batches.to_vec();
    let site = Site::new("batches", std::panic::Location::caller());
    let parent = graph.draw(site, graph.interval(), move |time, job| {
        let batch = batches.get(time.as_millis() as usize / 1000 - 1).cloned().flatten();
        Ok(batch.map(|batch| Rdd::parallelize(job, batch, 3)))
    });
    let (out, states) = draw(&DStream::new(&graph, parent));
    graph.set_zero(millis(0));
    let keeper = Arc::clone(&graph.keepers()[0].keeper);
    let engine = &ssc.job().engine;
    keeper.open(&Opening {
        ledger: "ledger",
        uid: "states",
        engine,
        backend,
        storage,
        durable: true,
        found: written.shape.as_ref(),
        bases: &written.bases,
        committed: written.deltas.last().map(|(batch, _)| *batch),
    })?;
    let from = StateOpening::new("", "", 0..128, &**storage).bases(&written.bases).bases_applied();
    for (batch, deltas) in written.deltas.iter().filter(|(batch, _)| Some(*batch) > from) {
        keeper.replay(*batch, deltas)?;
    }
    Ok(Run { _ssc: ssc, graph, keeper, out, states })
}

impl<E: crate::data::Wire> Run<E> {
    /// Runs a batch up to its commit; what it gives, and the states behind it.
    pub(super) fn run(&self, time: BatchTime) -> Result<(Vec<E>, Records)> {
        let job = self.graph.job(time);
        assert!(self.keeper.run(time, &job)?, "it is due");
        let read = |rdd: Option<Rdd<E>>| rdd.map_or(Ok(Vec::new()), |rdd| rdd.collect());
        let out = read(self.out.stream().rdd(time, &job)?)?;
        let states = self.states.stream().rdd(time, &job)?.expect("states of the batch that runs");
        let mut all = states.collect()?;
        assert_eq!(states.count()?, all.len() as u64, "the count goes by another way");
        all.sort_unstable();
        Ok((out, all))
    }

    pub(super) fn commit(&self, time: BatchTime, written: &mut Written) {
        let delta = self.keeper.delta(time).unwrap();
        self.keeper.commit(time).unwrap();
        self.graph.forget(time);
        written.shape = Some(self.keeper.shape());
        written.deltas.push((time, delta));
    }
}

/// What the function does with a value, in words that the model understands too.
fn does(value: i64) -> &'static str {
    match value.rem_euclid(5) {
        0 => "remove",
        1 => "look",
        _ => "add",
    }
}

fn mapped(
    pairs: &DStream<(u8, i64)>,
    spec: &StateSpec<u8, i64>,
    trip: &Arc<AtomicBool>,
) -> (DStream<Seen>, DStream<(u8, i64)>) {
    let trip = Arc::clone(trip);
    let mapped = pairs.map_with_state(spec.clone(), move |key, value, state| {
        let seen = (*key, value, state.get().copied(), state.is_timing_out());
        if let Some(value) = value {
            assert!(value != 13 || !trip.swap(false, Ordering::Relaxed), "the first try fails");
            match does(value) {
                "remove" if state.exists() => state.remove(),
                "add" => state.update(seen.2.unwrap_or(0) + value),
                _ => {}
            }
        }
        seen
    });
    (DStream::clone(&mapped), mapped.state_snapshots())
}

/// A plain map, with the time of the last record of each key.
#[derive(Clone, Default)]
struct Model(BTreeMap<u8, (i64, u64)>);

impl Model {
    fn run(&mut self, now: u64, batch: &Records, timeout: Option<u64>) -> BTreeMap<u8, Vec<Seen>> {
        let mut seen: BTreeMap<u8, Vec<Seen>> = BTreeMap::new();
        for (key, value) in batch {
            let before = self.0.get(key).map(|(state, _)| *state);
            seen.entry(*key).or_default().push((*key, Some(*value), before, false));
            match (does(*value), before) {
                ("remove", _) => drop(self.0.remove(key)),
                ("add", _) => drop(self.0.insert(*key, (before.unwrap_or(0) + value, now))),
                (_, Some(state)) => drop(self.0.insert(*key, (state, now))),
                _ => {}
            }
        }
        let over: Vec<u8> = self
            .0
            .iter()
            .filter(|(_, (_, last))| timeout.is_some_and(|idle| last + idle < now))
            .map(|(key, _)| *key)
            .collect();
        for key in over {
            let last = self.0.remove(&key).map(|(state, _)| state);
            seen.entry(key).or_default().push((key, None, last, true));
        }
        seen
    }

    fn states(&self) -> Records {
        self.0.iter().map(|(key, (state, _))| (*key, *state)).collect()
    }
}

fn by_key(seen: Vec<Seen>) -> BTreeMap<u8, Vec<Seen>> {
    let mut all: BTreeMap<u8, Vec<Seen>> = BTreeMap::new();
    for one in seen {
        all.entry(one.0).or_default().push(one);
    }
    all
}

/// What happens behind a batch.
#[derive(Clone, Copy, Debug)]
enum Then {
    Commit,
    GiveUpAndRunAgain,
    Base(u64),
    /// A base of so many bytes that is written behind the next batch only.
    LateBase(u64),
    Restart,
}

fn then() -> impl Strategy<Value = Then> {
    prop_oneof![
        4 => Just(Then::Commit),
        1 => Just(Then::GiveUpAndRunAgain),
        1 => (0..600_u64).prop_map(Then::Base),
        1 => (0..600_u64).prop_map(Then::LateBase),
        2 => Just(Then::Restart),
    ]
}

fn batches() -> impl Strategy<Value = Vec<(Option<Records>, Then)>> {
    let batch = prop::option::weighted(0.9, prop::collection::vec((0..40_u8, 0..20_i64), 0..30));
    prop::collection::vec((batch, then()), 1..14)
}

/// Runs the batches, with everything that happens behind them, beside the model.
fn runs_as_the_model(
    batches: Vec<(Option<Records>, Then)>,
    timeout: Option<u64>,
    partitions: u32,
    backend: &Arc<dyn StateBackend>,
) {
    let mut spec = StateSpec::<u8, i64>::new().num_partitions(partitions).initial_state([(1, 100), (200, 7)]);
    if let Some(idle) = timeout {
        spec = spec.timeout(Duration::from_millis(idle));
    }
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let inputs: Vec<Option<Records>> = batches.iter().map(|(batch, _)| batch.clone()).collect();
    let (mut written, trip) = (Written::default(), Arc::new(AtomicBool::new(false)));
    let begin = |written: &Written| {
        start(&inputs, backend, &storage, written, |pairs| mapped(pairs, &spec, &trip)).unwrap()
    };
    let (mut run, mut late) = (begin(&written), None::<BaseJob>);
    let mut model = Model(BTreeMap::from([(1, (100, 1000)), (200, (7, 1000))]));
    for (number, (batch, then)) in (1..).zip(batches) {
        let (time, before) = (millis(number), model.clone());
        trip.store(true, Ordering::Relaxed);
        let expected = model.run(time.as_millis(), &batch.clone().unwrap_or_default(), timeout);
        let (seen, states) = run.run(time).unwrap();
        assert_eq!(by_key(seen), expected, "batch {number}");
        assert_eq!(states, model.states(), "states behind batch {number}");
        if let Then::GiveUpAndRunAgain = then {
            run.keeper.abandon(time);
            run.graph.forget(time);
            let mut again = before;
            let expected = again.run(time.as_millis(), &batch.unwrap_or_default(), timeout);
            let (seen, states) = run.run(time).unwrap();
            assert_eq!((by_key(seen), states), (expected, again.states()), "batch {number} again");
        }
        run.commit(time, &mut written);
        if let Some(job) = late.take() {
            written.put(&job(&*storage).unwrap());
        }
        if let Then::Base(bytes) | Then::LateBase(bytes) = then {
            let wanted =
                BaseWanted { batch: time, bytes, kept: &written.bases, path: &format!("bases/{number}") };
            let job = run.keeper.base(&wanted).unwrap();
            if let Then::LateBase(_) = then {
                late = job;
            } else if let Some(job) = job {
                written.put(&job(&*storage).unwrap());
            }
        }
        if let Then::Restart = then {
            run = begin(&written);
        }
    }
}

#[test]
fn keys_of_a_base_time_out_after_a_restart() {
    let backends: [Arc<dyn StateBackend>; 2] =
        [Arc::new(MemoryState::new()), Arc::new(Behind(MemoryState::new()))];
    for backend in backends {
        let keys = Some((0..40).map(|key| (key, 2)).collect());
        let silent = (None, Then::Commit);
        let batches = vec![(keys, Then::Base(u64::MAX)), (None, Then::Restart), silent.clone(), silent];
        runs_as_the_model(batches, Some(2500), 3, &backend);
    }
}

#[test]
fn a_base_has_what_there_was_when_it_was_asked_for() {
    let backends: [Arc<dyn StateBackend>; 2] =
        [Arc::new(MemoryState::new()), Arc::new(Behind(MemoryState::new()))];
    for backend in backends {
        // The second batch changes all groups while the base is not written yet, and leaves keys of the first alone.
        let batch = |keys: std::ops::Range<u8>| Some(keys.map(|key| (key, 2)).collect::<Records>());
        let (first, second) = (batch(0..100), batch(100..255));
        let batches =
            vec![(first, Then::LateBase(u64::MAX)), (second, Then::Restart), (batch(0..9), Then::Commit)];
        runs_as_the_model(batches, None, 3, &backend);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn states_in_memory_are_those_of_a_plain_map_through_failed_tries_and_restarts(
        batches in batches(),
        timeout in prop::option::of(0_u64..4000),
        partitions in 1_u32..6,
    ) {
        let backend: Arc<dyn StateBackend> = Arc::new(MemoryState::new());
        runs_as_the_model(batches, timeout, partitions, &backend);
    }

    #[test]
    fn states_in_a_store_are_those_of_a_plain_map_through_failed_tries_and_restarts(
        batches in batches(),
        timeout in prop::option::of(0_u64..4000),
        partitions in 1_u32..6,
    ) {
        let backend: Arc<dyn StateBackend> = Arc::new(Behind(MemoryState::new()));
        runs_as_the_model(batches, timeout, partitions, &backend);
    }
}

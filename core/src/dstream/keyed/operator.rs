//! The operator itself: states from batch to batch.

use std::any::{Any, type_name};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;

use super::super::keeper::{BaseJob, BaseWanted, Keeper, Opening};
use super::super::stream::Stream;
use super::super::{DStream, Graph};
use super::base::Opened;
use super::logic::{Logic, Now, Records};
use super::output::{Done, Output, OutputNode};
use super::reader::StateReader;
use super::states::{Changed, States};
use super::view::{StatesNode, StatesOf};
use crate::data::{Key, KeyGroup, Wire};
use crate::rdd::{GROUPS, Job, Rdd, by_group, partition_of};
use crate::runtime::{Site, TaskContext};
use crate::state::typed::Part;
use crate::state::{Codec, Delta, Shape, short_name};
use crate::words::{BatchTime, Error, Result};

/// What an operator is made of.
pub(crate) struct KeyedPlan<K, S, L> {
    /// Its name and place in the user's code.
    pub(crate) site: Site,
    /// The number of partitions that the user chose.
    pub(crate) partitions: Option<u32>,
    pub(crate) codec: Codec<S>,
    /// How far apart two times are that one look at the index may find together; about a batch.
    pub(crate) slot_millis: u64,
    /// States that are there before the first batch.
    pub(crate) initial: Vec<(K, S)>,
    pub(crate) logic: L,
}

/// An operator that keeps a state for each key of its parent.
///
/// Streams and views hold it weakly: what the job remembers goes with the job.
pub(crate) struct Keyed<K: Key, V: Wire, S: Wire, L: Logic<K, V, S>> {
    plan: KeyedPlan<K, S, L>,
    parent: Arc<Stream<(K, V)>>,
    graph: Weak<Graph>,
    me: Weak<Self>,
    opened: OnceLock<Arc<Opened<K, S>>>,
    // The batch that runs.
    output: Mutex<Option<Arc<Output<K, V, S, L>>>>,
    turns: AtomicU32,
}

impl<K: Key, V: Wire, S: Wire, L: Logic<K, V, S>> Keyed<K, V, S, L> {
    /// An operator behind `parent`; it is part of the plan once a stream of it is kept.
    pub(crate) fn new(parent: &DStream<(K, V)>, plan: KeyedPlan<K, S, L>) -> Arc<Self> {
        let graph = parent.graph();
        if let Some(count) = plan.partitions
            && !(1..=GROUPS as u32).contains(&count)
        {
            let message = format!("states are kept in 1 to {GROUPS} partitions, and not in {count}");
            graph.mistake(plan.site.location(), message);
        }
        parent.stream().add_child();
        Arc::new_cyclic(|me| Self {
            plan,
            parent: Arc::clone(parent.stream()),
            graph: Arc::downgrade(graph),
            me: Weak::clone(me),
            opened: OnceLock::new(),
            output: Mutex::new(None),
            turns: AtomicU32::new(0),
        })
    }

    /// The stream of what the logic gives.
    pub(crate) fn outputs(&self, graph: &Arc<Graph>) -> DStream<L::Out> {
        let me = Weak::clone(&self.me);
        let stream = graph.draw(self.plan.site, self.parent.slide(), move |time, job| {
            let Some(keyed) = me.upgrade() else { return Ok(None) };
            let output = keyed.output(time, job)?;
            Ok(output.map(|output| Rdd::new(OutputNode(output), job)))
        });
        DStream::new(graph, stream)
    }

    /// The stream of what the logic gives, of an operator that is part of the plan under its uid.
    pub(crate) fn kept_outputs(self: &Arc<Self>, graph: &Arc<Graph>) -> DStream<L::Out> {
        let outputs = self.outputs(graph);
        outputs.keep(Arc::clone(self) as Arc<dyn Keeper>);
        outputs
    }

    /// The stream of all states, as each batch leaves them.
    pub(crate) fn states(&self, graph: &Arc<Graph>, site: Site) -> DStream<(K, S)> {
        let me = Weak::clone(&self.me);
        let stream = graph.draw(site, self.parent.slide(), move |time, job| {
            let Some(keyed) = me.upgrade() else { return Ok(None) };
            let output = keyed.output(time, job)?;
            if let Some(output) = &output {
                output.want_copy_if(keyed.graph.upgrade().is_some_and(|graph| graph.remembers()));
            } else if keyed.opened()?.committed() != Some(time) {
                return Ok(None);
            }
            let partitions = keyed.opened()?.partitions();
            Ok(Some(Rdd::new(StatesNode { of: Weak::clone(&me), partitions, time, output }, job)))
        });
        DStream::new(graph, stream)
    }

    fn opened(&self) -> Result<&Arc<Opened<K, S>>> {
        self.opened.get().ok_or_else(|| {
            let site = self.plan.site;
            Error::State(format!("{site} has no states yet: they are there once the context is started"))
        })
    }

    /// What computes the batch of `time`; `None` for one that is over.
    fn output(&self, time: BatchTime, job: &Arc<Job>) -> Result<Option<Arc<Output<K, V, S, L>>>> {
        let of_time = |output: &Option<Arc<Output<K, V, S, L>>>| {
            output.as_ref().filter(|output| output.time() == time).map(Arc::clone)
        };
        if let Some(output) = of_time(&self.output.lock()) {
            return Ok(Some(output));
        }
        if self.opened()?.committed() >= Some(time) {
            return Ok(None);
        }
        // No lock is held: this may run functions of `transform`.
        let up = self.parent.rdd(time, job)?;
        let partitions = self.opened()?.partitions();
        let records = up.map(|rdd| by_group(rdd.node(), partitions, self.plan.site));
        let made = Arc::new(Output::new(Weak::clone(&self.me), partitions, time, records));
        let mut output = self.output.lock();
        // Somebody else may have been first.
        Ok(Some(of_time(&output).unwrap_or_else(|| Arc::clone(output.insert(made)))))
    }

    /// Computes what the batch changes, and the records of its output by partition.
    pub(super) fn update(&self, output: &Output<K, V, S, L>, job: &Arc<Job>) -> Result<Done<L::Out>> {
        let opened = self.opened()?;
        if let Some(records) = output.records() {
            records.prepare(job)?;
        }
        let (_, parts) = opened.parts();
        let mine: Vec<usize> =
            (0..).zip(&parts).filter_map(|(index, part)| part.as_ref().map(|_| index)).collect();
        let initial = self.initial(opened)?;
        let site = self.plan.site;
        let updated = job.stage_told(site, &mine, parts.len(), |partition, task| {
            let Some(Some(part)) = parts.get(partition) else { return Err(elsewhere(site, partition)) };
            let given = initial.as_ref().and_then(|initial| initial.get(partition));
            self.update_part(opened, output, (partition, part), given.map_or(&[], Vec::as_slice), task)
        })?;
        let mut records: Done<L::Out> = (0..parts.len()).map(|_| None).collect();
        let mut changed = Vec::new();
        for (partition, (out, change)) in mine.into_iter().zip(updated) {
            records[partition] = Some(Arc::new(out));
            changed.push((partition, change));
        }
        opened.set_pending(output.time(), changed);
        Ok(records)
    }

    fn update_part(
        &self,
        opened: &Opened<K, S>,
        output: &Output<K, V, S, L>,
        (partition, part): (usize, &Part<K, S>),
        initial: &[(KeyGroup, K, S)],
        task: &TaskContext,
    ) -> Result<(Vec<L::Out>, Changed<K, S>)> {
        let records = match output.records() {
            Some(records) => Records::Arrived(records.take(partition, task)?),
            None => Records::none(),
        };
        task.at(self.plan.site);
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let mut states = States::new(part, &self.plan.codec, opened.store.as_deref(), opened.overlay(turn));
        let records = if opened.store.is_some() { records.fetch(&mut states)? } else { records };
        let due = self.plan.logic.initial_due(output.time());
        for (group, key, state) in initial {
            let slot = states.find(*group, key)?;
            states.put(slot, state.clone(), due);
        }
        let mut out = Vec::new();
        self.plan.logic.run(&Now { batch: output.time(), task }, records, &mut states, &mut out)?;
        Ok((out, states.finish(opened.writes().then(|| opened.room()))?))
    }

    /// The states that the user gave, by partition; none once a batch was committed.
    fn initial(&self, opened: &Opened<K, S>) -> Result<Option<Vec<Vec<(KeyGroup, K, S)>>>> {
        if self.plan.initial.is_empty() || !opened.wants_initial() {
            return Ok(None);
        }
        let partitions = opened.partitions();
        let mut parts: Vec<Vec<_>> = (0..partitions).map(|_| Vec::new()).collect();
        for (key, state) in &self.plan.initial {
            let group = KeyGroup::of(key)?;
            parts[partition_of(group.index(), partitions)].push((group, key.clone(), state.clone()));
        }
        Ok(Some(parts))
    }

    /// The states of a partition as of the batch of `time`, if they are still there.
    pub(super) fn states_of(&self, time: BatchTime, partition: usize) -> Result<Option<StatesOf<K, S>>> {
        let opened = self.opened()?;
        let (committed, parts) = opened.parts();
        let changed = opened.pending(time, partition);
        if changed.is_none() && committed != Some(time) {
            return Ok(None);
        }
        let part = parts.into_iter().nth(partition).flatten();
        let part = part.ok_or_else(|| elsewhere(self.plan.site, partition))?;
        Ok(Some(StatesOf { part, changed, store: opened.store.clone(), codec: self.plan.codec.clone() }))
    }

    /// The error of a key or a state that is of another type than what was written, with what to do.
    fn unreadable(&self, uid: &str, error: Error) -> Error {
        let Error::Wire { .. } = error else { return error };
        Error::State(format!(
            "the state `{uid}` of {} cannot be read back: {}; where the type of the states has changed, say with \
             `StateSpec::version` how the older ones are read, or begin another state under another uid",
            self.plan.site,
            error.chain()
        ))
    }

    /// The partitions of this member.
    pub(super) fn mine(&self) -> Result<Vec<usize>> {
        let (_, parts) = self.opened()?.parts();
        Ok((0..).zip(&parts).filter_map(|(index, part)| part.as_ref().map(|_| index)).collect())
    }

    pub(super) fn the_site(&self) -> Site {
        self.plan.site
    }
}

impl<K: Key, V: Wire, S: Wire, L: Logic<K, V, S>> Keeper for Keyed<K, V, S, L> {
    fn site(&self) -> Site {
        self.plan.site
    }

    fn shape(&self) -> Shape {
        let kind = self.plan.site.operator().into();
        Shape {
            kind,
            version: self.plan.codec.version(),
            partitions: self.plan.partitions,
            key: Some(short_name(type_name::<K>())),
            value: Some(short_name(type_name::<S>())),
        }
    }

    fn must_checkpoint(&self) -> bool {
        self.plan.logic.must_checkpoint()
    }

    fn open(&self, opening: &Opening<'_>) -> Result<()> {
        let opened = Opened::new(opening, self.plan.partitions, self.plan.slot_millis, &self.plan.codec)
            .map_err(|error| self.unreadable(opening.uid, error))?;
        let again = |_| Error::State(format!("{} was opened before", self.plan.site));
        self.opened.set(Arc::new(opened)).map_err(again)
    }

    fn replay(&self, batch: BatchTime, deltas: &[Delta]) -> Result<()> {
        let opened = self.opened()?;
        opened.replay(batch, deltas).map_err(|error| self.unreadable(&opened.uid, error))
    }

    fn run(&self, time: BatchTime, job: &Arc<Job>) -> Result<bool> {
        if !time.is_due(self.parent.slide(), self.parent.zero()?) {
            return Ok(false);
        }
        match self.output(time, job)? {
            Some(output) => output.prepare(job).map(|()| true),
            None => Ok(false),
        }
    }

    fn delta(&self, batch: BatchTime) -> Result<Vec<Delta>> {
        Ok(self.opened()?.written(batch))
    }

    fn commit(&self, batch: BatchTime) -> Result<()> {
        *self.output.lock() = None;
        self.opened()?.commit(batch)
    }

    fn abandon(&self, batch: BatchTime) {
        *self.output.lock() = None;
        if let Some(opened) = self.opened.get() {
            opened.abandon(batch);
        }
    }

    fn base(&self, wanted: &BaseWanted<'_>) -> Result<Option<BaseJob>> {
        self.opened()?.base_job(wanted)
    }

    fn query(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        let opened = self.opened.get()?;
        Some(Arc::new(StateReader::erased(Arc::clone(opened))))
    }
}

fn elsewhere(site: Site, partition: usize) -> Error {
    Error::State(format!("{site}: partition {partition} is another member's; please report this"))
}

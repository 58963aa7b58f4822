//! The operator itself: states from batch to batch.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;

use super::super::DStream;
use super::super::keeper::{BaseJob, BaseWanted, Keeper, Opening};
use super::super::stream::Stream;
use super::base::Opened;
use super::logic::{Logic, Now, Records};
use super::output::{Output, OutputNode};
use super::states::{Changed, States};
use crate::data::{Key, KeyGroup, Wire};
use crate::rdd::{GROUPS, Job, Rdd, by_group, partition_of};
use crate::runtime::{Site, TaskContext};
use crate::state::typed::Part;
use crate::state::{Codec, Delta, Shape};
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
pub(crate) struct Keyed<K, V, S, L: Logic<K, V, S>>
where
    K: Key,
    V: Wire,
    S: Wire,
{
    plan: KeyedPlan<K, S, L>,
    partitions: usize,
    parent: Arc<Stream<(K, V)>>,
    me: Weak<Self>,
    opened: OnceLock<Opened<K, S>>,
    // The batch that runs, or ran last.
    output: Mutex<Option<Arc<Output<K, V, S, L>>>>,
    turns: AtomicU32,
}

impl<K: Key, V: Wire, S: Wire, L: Logic<K, V, S>> Keyed<K, V, S, L> {
    /// Draws the operator behind `parent`; the stream has what its logic gives.
    pub(crate) fn draw(parent: &DStream<(K, V)>, plan: KeyedPlan<K, S, L>) -> (DStream<L::Out>, Arc<Self>) {
        let (graph, site) = (parent.graph(), plan.site);
        let partitions = match plan.partitions {
            None => graph.parallelism().clamp(1, GROUPS),
            Some(count) if (1..=GROUPS as u32).contains(&count) => count as usize,
            Some(count) => {
                let message = format!("states are kept in 1 to {GROUPS} partitions, and not in {count}");
                graph.mistake(site.location(), message);
                1
            }
        };
        let keyed = Arc::new_cyclic(|me| Self {
            plan,
            partitions,
            parent: Arc::clone(parent.stream()),
            me: Weak::clone(me),
            opened: OnceLock::new(),
            output: Mutex::new(None),
            turns: AtomicU32::new(0),
        });
        let of_batch = Arc::downgrade(&keyed);
        let stream = graph.draw(site, parent.stream().slide(), move |time, job| match of_batch.upgrade() {
            Some(keyed) => keyed.rdd(time, job),
            None => Ok(None),
        });
        parent.stream().add_child();
        let named = Arc::downgrade(&stream);
        graph.keep(move || named.upgrade()?.uid(), Arc::clone(&keyed) as Arc<dyn Keeper>);
        (DStream::new(graph, stream), keyed)
    }

    pub(super) fn partitions(&self) -> usize {
        self.partitions
    }

    pub(super) fn the_site(&self) -> Site {
        self.plan.site
    }

    fn opened(&self) -> Result<&Opened<K, S>> {
        self.opened.get().ok_or_else(|| {
            Error::State(format!(
                "{} has no states yet: they are there once the context is started",
                self.plan.site
            ))
        })
    }

    /// The output's Rdd of a batch; `None` for one that is over.
    fn rdd(&self, time: BatchTime, job: &Arc<Job>) -> Result<Option<Rdd<L::Out>>> {
        let output = self.output(time, job)?;
        Ok(output.map(|output| Rdd::new(OutputNode(output), job)))
    }

    pub(super) fn output(&self, time: BatchTime, job: &Arc<Job>) -> Result<Option<Arc<Output<K, V, S, L>>>> {
        let known =
            |output: &Option<Arc<Output<K, V, S, L>>>| output.clone().filter(|output| output.time() == time);
        if let Some(output) = known(&self.output.lock()) {
            return Ok(Some(output));
        }
        if self.opened()?.committed() >= Some(time) {
            return Ok(None);
        }
        // No lock is held: this may run functions of `transform`.
        let up = self.parent.rdd(time, job)?;
        let records = up.map(|rdd| by_group(rdd.node(), self.partitions, self.plan.site));
        let made = Arc::new(Output::new(Weak::clone(&self.me), self.partitions, time, records));
        let mut output = self.output.lock();
        // Somebody else may have been first.
        Ok(Some(known(&output).unwrap_or_else(|| Arc::clone(output.insert(made)))))
    }

    /// Computes what the batch changes, and the records of its output by partition.
    pub(super) fn update(
        &self,
        output: &Output<K, V, S, L>,
        job: &Arc<Job>,
    ) -> Result<Vec<Option<Arc<Vec<L::Out>>>>> {
        let opened = self.opened()?;
        if let Some(records) = output.records() {
            records.prepare(job)?;
        }
        let parts = opened.parts();
        let mine: Vec<usize> = parts
            .iter()
            .enumerate()
            .filter(|(_, part)| part.is_some())
            .map(|(partition, _)| partition)
            .collect();
        let initial = self.initial(opened)?;
        let site = self.plan.site;
        let updated = job.stage_told(site, &mine, self.partitions, |partition, task| {
            let Some(Some(part)) = parts.get(partition) else { return Err(missing(site, partition)) };
            let given = initial.as_ref().and_then(|initial| initial.get(partition));
            self.update_part(opened, output, (partition, part), given.map_or(&[], Vec::as_slice), task)
        })?;
        let mut records: Vec<_> = (0..self.partitions).map(|_| None).collect();
        let mut changed = Vec::new();
        for (partition, (out, change)) in mine.into_iter().zip(updated) {
            records[partition] = Some(Arc::new(out));
            changed.push((partition, Arc::new(change)));
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
        let mut states = States::new(part, &self.plan.codec, turn);
        let due = self.plan.logic.initial_due(output.time());
        for (group, key, state) in initial {
            let slot = states.find(*group, key)?;
            states.put(slot, state.clone(), due);
        }
        let mut out = Vec::with_capacity(records.len());
        self.plan.logic.run(&Now { batch: output.time(), task }, records, &mut states, &mut out)?;
        Ok((out, states.finish(opened.durable())?))
    }

    /// The states that the user gave, by partition; none once a batch was committed.
    fn initial(&self, opened: &Opened<K, S>) -> Result<Option<Vec<Vec<(KeyGroup, K, S)>>>> {
        if self.plan.initial.is_empty() || !opened.wants_initial() {
            return Ok(None);
        }
        let mut parts: Vec<Vec<_>> = (0..self.partitions).map(|_| Vec::new()).collect();
        for (key, state) in &self.plan.initial {
            let group = KeyGroup::of(key)?;
            parts[partition_of(group.index(), self.partitions)].push((group, key.clone(), state.clone()));
        }
        Ok(Some(parts))
    }
}

impl<K: Key, V: Wire, S: Wire, L: Logic<K, V, S>> Keeper for Keyed<K, V, S, L> {
    fn site(&self) -> Site {
        self.plan.site
    }

    fn shape(&self) -> Shape {
        Shape {
            kind: self.plan.site.operator().into(),
            version: self.plan.codec.version(),
            partitions: self.plan.partitions,
        }
    }

    fn must_checkpoint(&self) -> bool {
        true
    }

    fn open(&self, opening: &Opening<'_>) -> Result<()> {
        let opened = Opened::new(opening, self.partitions, self.plan.slot_millis);
        self.opened.set(opened).map_err(|_| Error::State(format!("{} was opened before", self.plan.site)))
    }

    fn replay(&self, _batch: BatchTime, _deltas: &[Delta]) -> Result<()> {
        Ok(())
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
        self.opened()?.commit(batch);
        Ok(())
    }

    fn abandon(&self, batch: BatchTime) {
        *self.output.lock() = None;
        if let Some(opened) = self.opened.get() {
            opened.abandon(batch);
        }
    }

    fn base(&self, _wanted: &BaseWanted<'_>) -> Result<Option<BaseJob>> {
        Ok(None)
    }
}

fn missing(site: Site, partition: usize) -> Error {
    Error::State(format!("{site}: partition {partition} is another member's; please report this"))
}

//! What an operator with states gives in one batch.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use super::logic::Logic;
use super::operator::Keyed;
use super::view::read_all;
use crate::data::{Kept, Key, Wire};
use crate::rdd::{ByGroup, Job, Node, Part, spread};
use crate::runtime::TaskContext;
use crate::words::{BatchTime, Error, Result};

/// Records by partition; none for those of other members.
pub(super) type Done<T> = Vec<Option<Arc<Vec<T>>>>;

/// The records that a batch gives. They are computed once, together with what the batch changes, and kept.
pub(crate) struct Output<K: Key, V: Wire, S: Wire, L: Logic<K, V, S>> {
    of: Weak<Keyed<K, V, S, L>>,
    partitions: usize,
    time: BatchTime,
    // None where the parent has no Rdd.
    records: Option<ByGroup<K, V>>,
    done: OnceLock<Done<L::Out>>,
    // All states, where they are remembered beyond their batch.
    wants_copy: AtomicBool,
    copy: OnceLock<Done<(K, S)>>,
}

impl<K: Key, V: Wire, S: Wire, L: Logic<K, V, S>> Output<K, V, S, L> {
    pub(super) fn new(
        of: Weak<Keyed<K, V, S, L>>,
        partitions: usize,
        time: BatchTime,
        records: Option<ByGroup<K, V>>,
    ) -> Self {
        let (done, wants_copy, copy) = (OnceLock::new(), AtomicBool::new(false), OnceLock::new());
        Self { of, partitions, time, records, done, wants_copy, copy }
    }

    pub(super) fn time(&self) -> BatchTime {
        self.time
    }

    /// The records on their way to the states.
    pub(super) fn records(&self) -> Option<&ByGroup<K, V>> {
        self.records.as_ref()
    }

    /// Somebody wants all states as of this batch, and where `remembered` also later.
    pub(super) fn want_copy_if(&self, remembered: bool) {
        self.wants_copy.fetch_or(remembered, Ordering::Relaxed);
    }

    /// All states of a partition as of this batch, if they were copied.
    pub(super) fn copied(&self, partition: usize) -> Option<Arc<Vec<(K, S)>>> {
        self.copy.get()?.get(partition)?.clone()
    }

    /// Runs the update, unless that is done.
    pub(super) fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        let identity = std::ptr::from_ref(self).addr();
        let done = || {
            self.done.get().is_some()
                && (self.copy.get().is_some() || !self.wants_copy.load(Ordering::Relaxed))
        };
        job.prepare_once(identity, done, || {
            if self.done.get().is_none() {
                let _ = self.done.set(self.keyed()?.update(self, job)?);
            }
            if self.wants_copy.load(Ordering::Relaxed) {
                let _ = self.copy.set(self.copy(job)?);
            }
            Ok(())
        })
    }

    fn keyed(&self) -> Result<Arc<Keyed<K, V, S, L>>> {
        self.of.upgrade().ok_or_else(|| Error::State("the job that keeps the states has ended".into()))
    }

    fn copy(&self, job: &Arc<Job>) -> Result<Done<(K, S)>> {
        let keyed = self.keyed()?;
        let mine = keyed.mine()?;
        let copied = job.stage_told(keyed.the_site(), &mine, self.partitions, |partition, task| {
            let Some(states) = keyed.states_of(self.time, partition)? else {
                return Err(Error::new("states were copied behind their batch; please report this"));
            };
            read_all(states.read(), task)
        })?;
        let mut all: Done<(K, S)> = (0..self.partitions).map(|_| None).collect();
        for (partition, states) in mine.into_iter().zip(copied) {
            all[partition] = Some(Arc::new(states));
        }
        Ok(all)
    }
}

/// The node of an [`Output`].
pub(super) struct OutputNode<K: Key, V: Wire, S: Wire, L: Logic<K, V, S>>(pub(super) Arc<Output<K, V, S, L>>);

impl<K: Key, V: Wire, S: Wire, L: Logic<K, V, S>> Node<L::Out> for OutputNode<K, V, S, L> {
    fn partitions(&self) -> usize {
        self.0.partitions
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        spread(partition, self.0.partitions, members)
    }

    fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        self.0.prepare(job)
    }

    fn open(&self, partition: usize, _task: &TaskContext) -> Result<Part<L::Out>> {
        let records = self.0.done.get().and_then(|done| done.get(partition)?.clone());
        let Some(records) = records else {
            return Err(Error::new("a batch of states was read before it was run; please report this"));
        };
        Ok(Box::new(Kept { records, at: 0 }))
    }
}

//! What an operator with states gives in one batch.

use std::sync::{Arc, OnceLock, Weak};

use super::logic::Logic;
use super::operator::Keyed;
use crate::data::{Kept, Key, Wire};
use crate::rdd::{ByGroup, Job, Node, Part, spread};
use crate::runtime::TaskContext;
use crate::words::{BatchTime, Error, Result};

/// The records that a batch gives. They are computed once, together with what the batch changes, and kept.
pub(crate) struct Output<K: Key, V: Wire, S: Wire, L: Logic<K, V, S>> {
    of: Weak<Keyed<K, V, S, L>>,
    partitions: usize,
    time: BatchTime,
    // None where the parent has no Rdd.
    records: Option<ByGroup<K, V>>,
    done: OnceLock<Vec<Option<Arc<Vec<L::Out>>>>>,
}

impl<K: Key, V: Wire, S: Wire, L: Logic<K, V, S>> Output<K, V, S, L> {
    pub(super) fn new(
        of: Weak<Keyed<K, V, S, L>>,
        partitions: usize,
        time: BatchTime,
        records: Option<ByGroup<K, V>>,
    ) -> Self {
        Self { of, partitions, time, records, done: OnceLock::new() }
    }

    pub(super) fn time(&self) -> BatchTime {
        self.time
    }

    /// The records on their way to the states.
    pub(super) fn records(&self) -> Option<&ByGroup<K, V>> {
        self.records.as_ref()
    }

    /// Runs the update, unless that is done.
    pub(super) fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        let identity = std::ptr::from_ref(self).addr();
        job.prepare_once(
            identity,
            || self.done.get().is_some(),
            || {
                let Some(keyed) = self.of.upgrade() else {
                    return Err(Error::State("the job that keeps the states has ended".into()));
                };
                let done = keyed.update(self, job)?;
                let _ = self.done.set(done);
                Ok(())
            },
        )
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

//! What a window gives in a batch: made once, before the outputs of the batch, and read by any of them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::data::Kept;
use crate::dstream::keeper::Keeper;
use crate::rdd::{Job, Node, Part, spread};
use crate::runtime::{Site, TaskContext};
use crate::words::{BatchTime, Error, Result};

type Parts<T> = Vec<Option<Arc<Vec<T>>>>;

/// The partitions of one batch on this member, once they are there.
pub(super) struct Cell<T>(OnceLock<Parts<T>>);

impl<T> Cell<T> {
    /// Fills it with the partitions of this member, of `of` in all; once.
    pub(super) fn fill(&self, of: usize, parts: impl IntoIterator<Item = (usize, Vec<T>)>) {
        let mut all: Parts<T> = (0..of).map(|_| None).collect();
        for (partition, records) in parts {
            if let Some(place) = all.get_mut(partition) {
                *place = Some(Arc::new(records));
            }
        }
        let _ = self.0.set(all);
    }
}

/// The cells of batches that are not over, so that the plan of a batch and its run find the same.
pub(super) struct Cells<T> {
    open: Mutex<(Option<BatchTime>, BTreeMap<BatchTime, Arc<Cell<T>>>)>,
}

impl<T> Default for Cells<T> {
    fn default() -> Self {
        Self { open: Mutex::new((None, BTreeMap::new())) }
    }
}

impl<T> Cells<T> {
    /// The cell of `time`; of a batch that is over it is one that stays empty.
    pub(super) fn of(&self, time: BatchTime) -> Arc<Cell<T>> {
        let new = || Arc::new(Cell(OnceLock::new()));
        let mut open = self.open.lock();
        if open.0.is_some_and(|over| time <= over) {
            return new();
        }
        Arc::clone(open.1.entry(time).or_insert_with(new))
    }

    /// The batch is over: only who has its Rdd still has its cell.
    pub(super) fn over(&self, batch: BatchTime) {
        let mut open = self.open.lock();
        open.0 = open.0.max(Some(batch));
        open.1.retain(|time, _| *time > batch);
    }
}

/// The Rdd of a cell.
pub(super) struct Made<T> {
    pub(super) cell: Arc<Cell<T>>,
    pub(super) time: BatchTime,
    pub(super) site: Site,
    pub(super) partitions: usize,
}

impl<T: Send + Sync + 'static> Node<T> for Made<T> {
    fn partitions(&self) -> usize {
        self.partitions
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        spread(partition, self.partitions, members)
    }

    fn keyed(&self) -> bool {
        true
    }

    fn prepare(&self, _job: &Arc<Job>) -> Result<()> {
        Ok(())
    }

    fn open(&self, partition: usize, _task: &TaskContext) -> Result<Part<T>> {
        let parts = self.cell.0.get().ok_or_else(|| gone(self.site, self.time))?;
        match parts.get(partition).cloned().flatten() {
            Some(records) => Ok(Box::new(Kept { records, at: 0 })),
            None => Err(gone(self.site, self.time)),
        }
    }
}

/// An Rdd of a window, which is made before it is read: a function of `transform` may read it while the batch is drawn.
pub(super) struct Prepared<T> {
    pub(super) node: Arc<dyn Node<T>>,
    pub(super) keeper: Arc<dyn Keeper>,
    pub(super) time: BatchTime,
}

impl<T: 'static> Node<T> for Prepared<T> {
    fn partitions(&self) -> usize {
        self.node.partitions()
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        self.node.owner(partition, members)
    }

    fn keyed(&self) -> bool {
        self.node.keyed()
    }

    fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        self.keeper.run(self.time, job)?;
        self.node.prepare(job)
    }

    fn open(&self, partition: usize, task: &TaskContext) -> Result<Part<T>> {
        self.node.open(partition, task)
    }
}

/// The window was read outside of its batch.
pub(super) fn gone(site: Site, time: BatchTime) -> Error {
    Error::State(format!(
        "{site} has no window of {time} any more: a window is made in its own batch, and kept beyond it where \
         `StreamingContext::remember` says so"
    ))
}

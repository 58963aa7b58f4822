//! A step of the lineage.

use std::sync::Arc;

use super::Job;
use crate::data::{Chunk, Chunks};
use crate::runtime::{Site, TaskContext};
use crate::words::Result;

/// An opened partition.
pub(crate) type Part<T> = Box<dyn Chunks<T>>;

/// A step of the lineage: knows its partitions, and opens one inside a task.
pub(crate) trait Node<T>: Send + Sync {
    /// How many partitions there are; the same on every member.
    fn partitions(&self) -> usize;

    /// The member that computes `partition`, of `members`.
    fn owner(&self, partition: usize, members: u32) -> u32;

    /// Whether the elements are pairs, each in the partition that its key's stable hash names: a shuffle by key into as
    /// many partitions then finds them in place.
    fn keyed(&self) -> bool {
        false
    }

    /// Names the source that the elements of `partition` came from, the same in every batch: the parts of a stream whose times
    /// go on by themselves. Where nothing is known, as behind a shuffle, all are of one source.
    fn lane(&self, partition: usize) -> u64 {
        let _ = partition;
        0
    }

    /// Runs the shuffles that this node depends on. Called on the job's thread, by every member in the same order.
    fn prepare(&self, job: &Arc<Job>) -> Result<()>;

    /// How many elements there are, where that is known without reading them.
    fn known_count(&self) -> Option<u64> {
        None
    }

    /// Opens a partition that this member owns, inside a task.
    fn open(&self, partition: usize, task: &TaskContext) -> Result<Part<T>>;
}

/// Owner of a partition that lives nowhere in particular: neighbours stay together.
pub(crate) fn spread(partition: usize, partitions: usize, members: u32) -> u32 {
    (partition * members as usize / partitions.max(1)) as u32
}

/// A node with one node before it and the same partitions.
pub(crate) struct Narrow<T, O> {
    up: Arc<dyn Node<T>>,
    operator: O,
    site: Site,
}

impl<T, O> Narrow<T, O> {
    pub(crate) fn new(up: Arc<dyn Node<T>>, site: Site, operator: O) -> Self {
        Self { up, operator, site }
    }
}

/// What a narrow operator does with a partition.
pub(crate) trait Operator<T, U>: Send + Sync {
    fn open(&self, up: Pull<T>, partition: usize) -> Part<U>;

    /// Whether each result is a pair with the key of the pair it was made of, see [`Node::keyed`].
    fn keeps_keys(&self) -> bool {
        false
    }
}

impl<T: 'static, U: 'static, O: Operator<T, U>> Node<U> for Narrow<T, O> {
    fn partitions(&self) -> usize {
        self.up.partitions()
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        self.up.owner(partition, members)
    }

    fn keyed(&self) -> bool {
        self.operator.keeps_keys() && self.up.keyed()
    }

    fn lane(&self, partition: usize) -> u64 {
        self.up.lane(partition)
    }

    fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        self.up.prepare(job)
    }

    fn open(&self, partition: usize, task: &TaskContext) -> Result<Part<U>> {
        let up = Pull { part: self.up.open(partition, task)?, task: task.clone(), site: self.site };
        Ok(self.operator.open(up, partition))
    }
}

/// What is before an operator: a pull asks for cancellation first, and notes whose function comes next.
pub(crate) struct Pull<T> {
    part: Part<T>,
    task: TaskContext,
    site: Site,
}

impl<T> Pull<T> {
    pub(crate) fn new(part: Part<T>, task: &TaskContext, site: Site) -> Self {
        Self { part, task: task.clone(), site }
    }

    /// The next chunk; the operator's own function runs next.
    pub(crate) fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        self.task.check()?;
        let chunk = self.part.next()?;
        self.task.at(self.site);
        Ok(chunk)
    }

    pub(crate) fn count_rest(&mut self) -> Result<u64> {
        self.task.check()?;
        self.part.count_rest()
    }

    /// Notes again whose function runs, for an operator that calls it without a pull before.
    pub(crate) fn resume(&self) {
        self.task.at(self.site);
    }

    pub(crate) fn task(&self) -> &TaskContext {
        &self.task
    }
}

impl<T> Chunks<T> for Pull<T> {
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        Self::next(self)
    }
}

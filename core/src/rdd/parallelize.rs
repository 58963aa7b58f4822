//! `parallelize`: an Rdd from values at hand.

use std::panic::Location;
use std::sync::Arc;

use super::node::{Node, Part, spread};
use super::{Job, Rdd};
use crate::data::{Data, Kept};
use crate::runtime::{Site, TaskContext};
use crate::words::Result;

/// Values that every member has at hand; each computes its share of the partitions.
pub(crate) struct Parallelize<T> {
    partitions: Vec<Arc<Vec<T>>>,
}

impl<T: Data> Parallelize<T> {
    /// One partition for each list.
    #[cfg(test)]
    pub(crate) fn of(partitions: Vec<Arc<Vec<T>>>) -> Self {
        Self { partitions }
    }

    /// `count` partitions of equal length, at least one, in order.
    pub(crate) fn split(values: Vec<T>, count: usize) -> Self {
        let length = values.len();
        let mut values = values.into_iter();
        let share = |part: usize| (part + 1) * length / count - part * length / count;
        Self {
            partitions: (0..count)
                .map(|part| Arc::new(values.by_ref().take(share(part)).collect()))
                .collect(),
        }
    }
}

impl<T: Data> Node<T> for Parallelize<T> {
    fn partitions(&self) -> usize {
        self.partitions.len()
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        spread(partition, self.partitions.len(), members)
    }

    fn prepare(&self, _job: &Arc<Job>) -> Result<()> {
        Ok(())
    }

    fn known_count(&self) -> Option<u64> {
        Some(self.partitions.iter().map(|partition| partition.len() as u64).sum())
    }

    fn open(&self, partition: usize, _task: &TaskContext) -> Result<Part<T>> {
        Ok(Box::new(Kept { records: Arc::clone(&self.partitions[partition]), at: 0 }))
    }
}

impl<T: Data> Rdd<T> {
    #[track_caller]
    pub(crate) fn parallelize(job: &Arc<Job>, values: Vec<T>, partitions: usize) -> Self {
        if partitions == 0 {
            let site = Site::new("parallelize", Location::caller());
            return Self::empty(job).refuse(site, "partitions", partitions, "1 or more");
        }
        Self::new(Parallelize::split(values, partitions), job)
    }

    /// An Rdd without partitions.
    pub(crate) fn empty(job: &Arc<Job>) -> Self {
        Self::new(Parallelize { partitions: Vec::new() }, job)
    }
}

//! The records of one batch, in partitions: lazy, computed by tasks, one task a partition.
//!
//! How data moves: an action opens the last [`Node`] of the lineage in one task a partition; each node opens the one
//! before it; inside the task, operators pull [`Chunk`](crate::Chunk)s from each other. A shuffle runs before that, in
//! `prepare`: its map side is one stage, the exchange a collective, its reduce side a second stage, whose results stay
//! until the batch is forgotten.
//!
//! One operator a file: method, documentation, code, tests.

mod by_key;
mod by_group;
mod brought;
mod action;
mod elements;
mod exchange;
mod hash_join;
mod job;
mod node;
mod output;
mod ranges;
mod refused;
mod stored;
mod rejects;
mod table;
mod wide;
mod wire;

// Where elements come from.
mod parallelize;

// Narrow operators: a partition from a partition.
mod filter;
mod flat_map;
mod glom;
mod map;
mod map_or_reject;
mod persist;
mod map_partitions;
mod map_values;
mod sample;
mod try_filter;
mod try_map;
mod union;
mod zip_with_index;

// Fewer partitions.
mod coalesce;

// Shuffles.
mod aggregate_by_key;
mod cogroup;
mod combine_by_key;
mod count_by_value;
mod distinct;
mod full_outer_join;
mod group_by_key;
mod join;
mod left_outer_join;
mod partition_by;
mod reduce_by_key;
mod repartition;
mod right_outer_join;
mod sort_by;
mod sort_by_key;
mod subtract_by_key;

// Actions.
mod aggregate;
mod collect;
mod count;
mod count_by_key;
mod foreach;
mod on_driver;
mod reduce;
mod take;
mod top;

// What tasks share with the outside.
mod accumulator;
mod broadcast;

#[cfg(test)]
mod operator_tests;
#[cfg(test)]
mod shuffle_tests;
#[cfg(test)]
mod tests;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

pub use self::accumulator::{Accumulate, Accumulator};
pub use self::broadcast::Broadcast;
pub(crate) use self::brought::{Brought, Sizes};
pub(crate) use self::by_group::{
    ByGroup, GROUPS, Grouped, IncomingByGroup, by_group, groups_of, partition_of,
};
pub use self::elements::Elements;
pub use self::flat_map::Emitter;
pub(crate) use self::job::{Engine, Job};
pub(crate) use self::node::{Narrow, Node, Operator, Part, Pull, spread};
pub(crate) use self::output::{OutputScope, Saved};
pub use self::persist::StorageLevel;
pub(crate) use self::rejects::{Counted, Found, Reader, Reads, RejectedReader};
pub use self::rejects::{Rejected, Rejects};
pub(crate) use self::stored::{Stored, StoredPart, Zipped};
pub(crate) use self::wire::{Codec, Pair, decode_all, decode_counted, encode_all};
use crate::runtime::Site;

/// The records of one batch, in partitions.
///
/// Nothing is computed until an action ([`count`](Self::count), [`collect`](Self::collect), …) is called; then one task
/// a partition runs all operators before it. A failed task runs again from lineage. With several members each computes
/// the partitions that it owns, and an action has the same result on all of them.
#[must_use = "an Rdd is lazy: nothing happens until an action is called"]
pub struct Rdd<T> {
    node: Arc<dyn Node<T>>,
    job: Arc<Job>,
    // The operator of the stream around, so that errors name the user's line and not ours.
    site: Option<Site>,
}

impl<T> Rdd<T> {
    pub(crate) fn new(node: impl Node<T> + 'static, job: &Arc<Job>) -> Self {
        Self { node: Arc::new(node), job: Arc::clone(job), site: None }
    }

    /// The same records, seen from another job: windows and slices keep an Rdd beyond its batch.
    pub(crate) fn in_job(&self, job: &Arc<Job>) -> Self {
        Self { node: Arc::clone(&self.node), job: Arc::clone(job), site: None }
    }

    /// Makes the next operator report as `site`.
    pub(crate) fn at(mut self, site: Site) -> Self {
        self.site = Some(site);
        self
    }

    /// Makes the next operator report as itself again: for functions of the user's that draw their own.
    pub(crate) fn unnamed(mut self) -> Self {
        self.site = None;
        self
    }

    /// An Rdd behind this one.
    pub(crate) fn then<U>(&self, node: impl Node<U> + 'static) -> Rdd<U> {
        Rdd::new(node, &self.job)
    }

    /// The site of an operator that is being added: the stream's, or the caller's.
    pub(crate) fn site(&self, operator: &'static str, caller: &'static Location<'static>) -> Site {
        self.site.unwrap_or_else(|| Site::new(operator, caller))
    }

    pub(crate) fn node(&self) -> Arc<dyn Node<T>> {
        Arc::clone(&self.node)
    }

    pub(crate) fn job(&self) -> &Arc<Job> {
        &self.job
    }

    /// How many elements there are, where that is known without reading them.
    pub(crate) fn known_count(&self) -> Option<u64> {
        self.node.known_count()
    }

    /// How many partitions there are; a partition is one task's work.
    pub fn num_partitions(&self) -> usize {
        self.node.partitions()
    }
}

impl<T> Clone for Rdd<T> {
    fn clone(&self) -> Self {
        Self { node: Arc::clone(&self.node), job: Arc::clone(&self.job), site: self.site }
    }
}

impl<T> fmt::Debug for Rdd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rdd").field("partitions", &self.node.partitions()).finish_non_exhaustive()
    }
}

/// What every operator asks of its functions.
pub(crate) trait Function: Send + Sync + 'static {}
impl<F: Send + Sync + 'static> Function for F {}

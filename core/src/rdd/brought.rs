//! Pairs brought to the partition that their key names, for an operator that goes on with them itself.

use std::sync::Arc;

use super::by_key::{ByKey, tabled};
use super::exchange::Exchange;
use super::wire::Pair;
use super::{Function, Job, Pull, Rdd};
use crate::data::{Key, Wire};
use crate::runtime::{Site, TaskContext};
use crate::words::Result;

/// Pairs on their way to the partitions that their keys name; those of one map partition are combined by key before.
pub(crate) struct Brought<K, V> {
    exchange: Exchange<(K, V), Pair<K, V>>,
}

impl<K: Key, V: Wire> Brought<K, V> {
    /// The pairs of `rdd` into `partitions`, combined by `f` as far as they come from one map partition.
    pub(crate) fn new(
        rdd: &Rdd<(K, V)>,
        site: Site,
        partitions: usize,
        f: Arc<impl Fn(V, V) -> V + Function>,
    ) -> Self {
        let by = ByKey::of(&*rdd.node(), partitions);
        let split = move |up: Pull<(K, V)>, partition| {
            let table = tabled(
                up,
                |table, (key, value)| table.put(key, value, |value| value, &*f),
                |table, (key, value)| table.put_ref(key, value.clone(), |value| value, &*f),
            )?;
            by.place_all(partition, table)
        };
        Self { exchange: Exchange::new(rdd.node(), by.targets, site, split) }
    }

    /// Runs the map side and the exchange: on all members.
    pub(crate) fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        self.exchange.prepare(job)
    }

    /// What came for `partition`, in the order of map partitions, in a task; a key may come once from each.
    pub(crate) fn take(
        &self,
        partition: usize,
        task: &TaskContext,
        mut each: impl FnMut(K, V) -> Result<()>,
    ) -> Result<()> {
        self.exchange.take(partition, task)?.for_each(|_, Pair(key, value)| each(key, value))
    }
}

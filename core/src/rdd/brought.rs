//! Pairs brought to the partition that their key names, for an operator that goes on with them itself.

use std::sync::Arc;

use parking_lot::Mutex;

use super::by_key::{ByKey, tabled_in};
use super::exchange::Exchange;
use super::table::Table;
use super::wire::Pair;
use super::{Function, Job, Pull, Rdd};
use crate::data::{Key, Wire};
use crate::runtime::{Site, TaskContext};
use crate::words::Result;

/// How many keys each map partition had in the last batch, so that its next table need not grow. By partition, and not
/// over all: the order of a table depends on its first size, and must not depend on which task was faster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sizes(Arc<Mutex<Vec<usize>>>);

impl Sizes {
    fn get(&self, partition: usize) -> usize {
        self.0.lock().get(partition).copied().unwrap_or(0)
    }

    fn set(&self, partition: usize, size: usize) {
        let mut sizes = self.0.lock();
        if sizes.len() <= partition {
            sizes.resize(partition + 1, 0);
        }
        if let Some(place) = sizes.get_mut(partition) {
            *place = size;
        }
    }
}

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
        sizes: &Sizes,
        f: Arc<impl Fn(V, V) -> V + Function>,
    ) -> Self {
        let by = ByKey::of(&*rdd.node(), partitions);
        let sizes = sizes.clone();
        let split = move |up: Pull<(K, V)>, partition| {
            let table = tabled_in(
                Table::with_capacity(sizes.get(partition)),
                up,
                |table, (key, value)| table.put(key, value, |value| value, &*f),
                |table, (key, value)| table.put_ref(key, value.clone(), |value| value, &*f),
            )?;
            sizes.set(partition, table.len());
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

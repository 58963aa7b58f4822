//! `subtract_by_key`: the pairs whose key another Rdd does not have.

use std::panic::Location;
use std::sync::Arc;

use super::Rdd;
use super::by_key::{ByKey, tabled};
use super::exchange::{Exchange, Shuffled};
use super::hash_join::placed;
use super::node::Pull;
use super::table::Table;
use super::wire::Pair;
use crate::data::{Data, Key, Wire};

impl<K: Data, V: Data> Rdd<(K, V)> {
    /// The pairs whose key `other` does not have; in a partition, in their order here.
    ///
    /// The result has as many partitions as `tidemill.default.parallelism` says.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let ships = ssc.parallelize(vec![(1u32, 'a'), (2, 'b'), (1, 'c')], 2);
    /// let gone = ssc.parallelize(vec![(2u32, ()), (3, ())], 2);
    /// assert_eq!(ships.subtract_by_key(&gone).collect()?, [(1, 'a'), (1, 'c')]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "subtractByKey")]
    #[track_caller]
    pub fn subtract_by_key<W: Data>(&self, other: &Rdd<(K, W)>) -> Self
    where
        K: Key,
        V: Wire,
    {
        self.subtract_by_key_into(self.job().engine.parallelism(), other)
    }

    /// As [`subtract_by_key`](Self::subtract_by_key), into `partitions` partitions.
    #[track_caller]
    pub fn subtract_by_key_into<W: Data>(&self, partitions: usize, other: &Rdd<(K, W)>) -> Self
    where
        K: Key,
        V: Wire,
    {
        let site = self.site("subtract_by_key", Location::caller());
        let here = Arc::new(placed(&self.node(), partitions, site));
        // Of the other side only the keys travel, each once for each map partition.
        let by = ByKey::of(&*other.node(), partitions);
        let there = Exchange::new(other.node(), by.targets, site, move |up: Pull<(K, W)>, partition| {
            let keys = tabled(
                up,
                |keys, (key, _)| *keys.entry(key, || ()) = (),
                |keys, (key, _)| *keys.entry_ref(key, || ()) = (),
            )?;
            by.place_all(partition, keys)
        });
        let shuffled = Shuffled::two(here, Arc::new(there), |here, there, _| {
            let mut keys = Table::with_capacity(there.largest());
            there.for_each(|_, Pair(key, ())| {
                keys.entry(key, || ());
                Ok(())
            })?;
            let mut out = Vec::new();
            here.for_each(|_, Pair(key, value)| {
                if keys.get(&key).is_none() {
                    out.push((key, value));
                }
                Ok(())
            })?;
            Ok(out)
        });
        self.then(shuffled.keyed())
    }
}

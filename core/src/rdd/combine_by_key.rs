//! `combine_by_key`: the general form of every operator that combines the values of a key.

use std::panic::Location;

use super::by_key::{ByKey, tabled};
use super::exchange::{Exchange, Shuffled};
use super::node::Pull;
use super::table::Table;
use super::wire::Pair;
use super::{Function, Rdd};
use crate::data::{Data, Key, Wire};
use crate::runtime::Site;

impl<K: Data, V: Data> Rdd<(K, V)> {
    /// Combines the values of each key into a value of another type: `create` makes it from the first value of a
    /// partition, `merge_value` adds one, `merge_combiners` joins those of two partitions.
    ///
    /// The result has as many partitions as `tidemill.default.parallelism` says.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let pairs = ssc.parallelize(vec![(1u32, 2.0), (2, 5.0), (1, 4.0)], 2);
    /// let means = pairs
    ///     .combine_by_key(|v| (v, 1.0), |(sum, n), v| (sum + v, n + 1.0), |a, b| (a.0 + b.0, a.1 + b.1))
    ///     .map(|(key, (sum, n))| (key, sum / n));
    /// let mut means = means.collect()?;
    /// means.sort_by_key(|(key, _)| *key);
    /// assert_eq!(means, [(1, 3.0), (2, 5.0)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn combine_by_key<C: Wire>(
        &self,
        create: impl Fn(V) -> C + Send + Sync + 'static,
        merge_value: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge_combiners: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> Rdd<(K, C)>
    where
        K: Key,
    {
        self.combine_by_key_into(self.job().engine.parallelism(), create, merge_value, merge_combiners)
    }

    /// As [`combine_by_key`](Self::combine_by_key), into `partitions` partitions.
    #[track_caller]
    pub fn combine_by_key_into<C: Wire>(
        &self,
        partitions: usize,
        create: impl Fn(V) -> C + Send + Sync + 'static,
        merge_value: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge_combiners: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> Rdd<(K, C)>
    where
        K: Key,
    {
        let site = self.site("combine_by_key", Location::caller());
        self.combine(site, partitions, create, merge_value, merge_combiners)
    }

    /// Combines before the exchange, exchanges, and combines again.
    pub(crate) fn combine<C: Wire>(
        &self,
        site: Site,
        partitions: usize,
        create: impl Fn(V) -> C + Function,
        merge_value: impl Fn(C, V) -> C + Function,
        merge_combiners: impl Fn(C, C) -> C + Function,
    ) -> Rdd<(K, C)>
    where
        K: Key,
    {
        let by = ByKey::of(&*self.node(), partitions);
        let exchange = Exchange::new(self.node(), by.targets, site, move |up: Pull<(K, V)>, partition| {
            let table = tabled(
                up,
                |table, (key, value)| table.put(key, value, &create, &merge_value),
                |table, (key, value)| table.put_ref(key, value.clone(), &create, &merge_value),
            )?;
            by.place_all(partition, table)
        });
        let shuffled = Shuffled::one(exchange, move |incoming, _| {
            let mut table = Table::with_capacity(incoming.largest());
            incoming.for_each(|_, Pair(key, combined)| {
                table.put(key, combined, |combined| combined, &merge_combiners);
                Ok(())
            })?;
            Ok(table.into_entries().collect())
        });
        self.then(shuffled.keyed())
    }
}

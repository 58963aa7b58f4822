//! `count_by_value`: how often each element is there.

use std::panic::Location;

use super::Rdd;
use super::by_key::{ByKey, tabled};
use super::exchange::{Exchange, Shuffled};
use super::node::Pull;
use super::table::Table;
use super::wire::Pair;
use crate::data::{Data, Key};

impl<T: Data> Rdd<T> {
    /// Each element with how often it is there. The result has as many partitions as `tidemill.default.parallelism` says.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let mut counts = ssc.parallelize(vec![7u32, 3, 7, 7], 2).count_by_value().collect()?;
    /// counts.sort();
    /// assert_eq!(counts, [(3, 1), (7, 3)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "countByValue")]
    #[track_caller]
    pub fn count_by_value(&self) -> Rdd<(T, u64)>
    where
        T: Key,
    {
        self.count_by_value_into(self.job().engine.parallelism())
    }

    /// As [`count_by_value`](Self::count_by_value), into `partitions` partitions.
    #[track_caller]
    pub fn count_by_value_into(&self, partitions: usize) -> Rdd<(T, u64)>
    where
        T: Key,
    {
        let site = self.site("count_by_value", Location::caller());
        let by = ByKey::new(partitions);
        let exchange = Exchange::new(self.node(), by.targets, site, move |up: Pull<T>, partition| {
            let counts = tabled(
                up,
                |counts, element| *counts.entry(element, || 0) += 1,
                |counts, element| *counts.entry_ref(element, || 0) += 1,
            )?;
            by.place_all(partition, counts)
        });
        let shuffled = Shuffled::one(exchange, |incoming, _| {
            let mut counts = Table::with_capacity(incoming.largest());
            incoming.for_each(|_, Pair(element, count)| {
                *counts.entry(element, || 0) += count;
                Ok(())
            })?;
            Ok(counts.into_entries().collect())
        });
        self.then(shuffled.keyed())
    }
}

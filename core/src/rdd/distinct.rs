//! `distinct`: each element once.

use std::panic::Location;

use super::Rdd;
use super::by_key::{ByKey, tabled};
use super::exchange::{Exchange, Shuffled};
use super::node::Pull;
use super::table::Table;
use super::wire::Pair;
use crate::data::{Data, Key};

impl<T: Data> Rdd<T> {
    /// Each element once, however often it is there. The result has as many partitions as
    /// `tidemill.default.parallelism` says.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let mut harbours = ssc.parallelize(vec![7u32, 3, 7, 7], 2).distinct().collect()?;
    /// harbours.sort();
    /// assert_eq!(harbours, [3, 7]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn distinct(&self) -> Self
    where
        T: Key,
    {
        self.distinct_into(self.job().engine.parallelism())
    }

    /// As [`distinct`](Self::distinct), into `partitions` partitions.
    #[track_caller]
    pub fn distinct_into(&self, partitions: usize) -> Self
    where
        T: Key,
    {
        let site = self.site("distinct", Location::caller());
        let by = ByKey::new(partitions);
        let exchange = Exchange::new(self.node(), by.targets, site, move |up: Pull<T>, partition| {
            let seen = tabled(
                up,
                |seen, element| *seen.entry(element, || ()) = (),
                |seen, element| *seen.entry_ref(element, || ()) = (),
            )?;
            by.place_all(partition, seen)
        });
        self.then(Shuffled::one(exchange, |incoming, _| {
            let mut seen = Table::with_capacity(incoming.largest());
            incoming.for_each(|_, Pair(element, ())| {
                seen.entry(element, || ());
                Ok(())
            })?;
            Ok(seen.into_entries().map(|(element, ())| element).collect())
        }))
    }
}

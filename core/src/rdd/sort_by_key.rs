//! `sort_by_key`: pairs in the order of their keys.

use std::panic::Location;

use super::Rdd;
use crate::data::{Data, Wire};

impl<K: Data, V: Data> Rdd<(K, V)> {
    /// In the order of the keys, over all partitions: each partition of the result is sorted, and all of it comes before
    /// the next one.
    ///
    /// Pairs with equal keys stay in the order of (partition, record) that they had, also where `ascending` is false. The
    /// result has as many partitions as `tidemill.default.parallelism` says; where they end is drawn from a sample.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let ships = ssc.parallelize(vec![(2u32, 'b'), (3, 'c'), (1, 'a'), (2, 'd')], 2);
    /// assert_eq!(ships.sort_by_key(true).collect()?, [(1, 'a'), (2, 'b'), (2, 'd'), (3, 'c')]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "sortByKey")]
    #[track_caller]
    pub fn sort_by_key(&self, ascending: bool) -> Self
    where
        K: Wire + Ord,
        (K, V): Wire,
    {
        self.sort_by_key_into(self.job().engine.parallelism(), ascending)
    }

    /// As [`sort_by_key`](Self::sort_by_key), into `partitions` partitions.
    #[track_caller]
    pub fn sort_by_key_into(&self, partitions: usize, ascending: bool) -> Self
    where
        K: Wire + Ord,
        (K, V): Wire,
    {
        let site = self.site("sort_by_key", Location::caller());
        self.range_sorted(
            site,
            partitions,
            ascending,
            |(key, _)| key.clone(),
            |(key, _), bounds| bounds.partition_point(|bound| bound < key),
            move |pairs| pairs.sort_by(|(a, _), (b, _)| if ascending { a.cmp(b) } else { b.cmp(a) }),
        )
    }
}

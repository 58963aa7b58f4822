//! `aggregate_by_key`: the values of each key, folded into a zero.

use std::panic::Location;
use std::sync::Arc;

use super::Rdd;
use crate::data::{Data, Key, Wire};

impl<K: Data, V: Data> Rdd<(K, V)> {
    /// Folds the values of each key: `seq` adds one to what begins as `zero` in each partition, `comb` joins what two
    /// partitions made.
    ///
    /// `zero` is added once for each partition that has the key, so it must change nothing: 0 for a sum, an empty list.
    /// The result has as many partitions as `tidemill.default.parallelism` says.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let levels = ssc.parallelize(vec![(1u32, 2.5), (2, 4.0), (1, 3.5)], 2);
    /// let highest = levels.aggregate_by_key(f64::MIN, |most, level| most.max(level), f64::max);
    /// let mut highest = highest.collect()?;
    /// highest.sort_by_key(|(harbour, _)| *harbour);
    /// assert_eq!(highest, [(1, 3.5), (2, 4.0)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "aggregateByKey")]
    #[track_caller]
    pub fn aggregate_by_key<C: Wire>(
        &self,
        zero: C,
        seq: impl Fn(C, V) -> C + Send + Sync + 'static,
        comb: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> Rdd<(K, C)>
    where
        K: Key,
    {
        self.aggregate_by_key_into(self.job().engine.parallelism(), zero, seq, comb)
    }

    /// As [`aggregate_by_key`](Self::aggregate_by_key), into `partitions` partitions.
    #[track_caller]
    pub fn aggregate_by_key_into<C: Wire>(
        &self,
        partitions: usize,
        zero: C,
        seq: impl Fn(C, V) -> C + Send + Sync + 'static,
        comb: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> Rdd<(K, C)>
    where
        K: Key,
    {
        let site = self.site("aggregate_by_key", Location::caller());
        let seq = Arc::new(seq);
        let first = Arc::clone(&seq);
        let create = move |value| first(zero.clone(), value);
        self.combine(site, partitions, create, move |so_far, value| seq(so_far, value), comb)
    }
}

//! `reduce_by_key`: one value for each key.

use std::panic::Location;
use std::sync::Arc;

use super::Rdd;
use crate::data::{Data, Key, Wire};

impl<K: Data, V: Data> Rdd<(K, V)> {
    /// One value for each key. The result has as many partitions as `tidemill.default.parallelism` says.
    ///
    /// `f` must be associative: values are combined inside their partition first, then over partitions, in the order of
    /// (partition, record). A key is in exactly one partition of the result, which its stable hash names.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let words = ssc.parallelize(vec![("sea", 1u64), ("tide", 1), ("sea", 1)], 2).map(|(w, n)| (w.to_string(), n));
    /// let mut counts = words.reduce_by_key(|a, b| a + b).collect()?;
    /// counts.sort();
    /// assert_eq!(counts, [("sea".to_string(), 2), ("tide".to_string(), 1)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn reduce_by_key(&self, f: impl Fn(V, V) -> V + Send + Sync + 'static) -> Self
    where
        K: Key,
        V: Wire,
    {
        self.reduce_by_key_into(self.job().engine.parallelism(), f)
    }

    /// As [`reduce_by_key`](Self::reduce_by_key), into `partitions` partitions.
    #[track_caller]
    pub fn reduce_by_key_into(&self, partitions: usize, f: impl Fn(V, V) -> V + Send + Sync + 'static) -> Self
    where
        K: Key,
        V: Wire,
    {
        let site = self.site("reduce_by_key", Location::caller());
        let within = Arc::new(f);
        let over = Arc::clone(&within);
        self.combine(site, partitions, |value| value, move |a, b| within(a, b), move |a, b| over(a, b))
    }
}

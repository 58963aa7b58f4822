//! `count`: how many elements each batch has.

use std::panic::Location;

use super::DStream;
use super::reduce::into_one;
use crate::data::Data;
use crate::rdd::Rdd;

impl<T> DStream<T> {
    /// How many elements each batch has: exactly one number a batch, 0 for an empty one.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let words = input_batches(&ssc, 2, vec![vec!["sea", "tide", "mill"], vec![]]);
    /// let counts = collect_batches(&words.count());
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(counts.batches(), [[3], [0]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn count(&self) -> DStream<u64>
    where
        T: Data,
    {
        self.each_rdd("count", Location::caller(), |rdd| {
            let site = rdd.site("count", Location::caller());
            // An Rdd without partitions has nothing to count, and a batch has its number all the same.
            let none = Rdd::parallelize(rdd.job(), vec![0], 1);
            let counts = rdd.map_partitions(|elements| [elements.count() as u64]);
            Ok(into_one(&none.union(&counts), site, |a, b| a + b))
        })
    }
}

//! `count_by_value` and `distinct`: equal elements of a batch.

use std::panic::Location;

use super::DStream;
use crate::data::Key;
use crate::runtime::Site;

impl<T> DStream<T> {
    /// Each element of a batch once, with how often it is there.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let words = input_batches(&ssc, 2, vec![vec![7, 8, 7]]);
    /// let counts = collect_batches(&words.count_by_value());
    /// run_batches(&ssc, 1)?;
    /// let mut batch = counts.batches().remove(0);
    /// batch.sort();
    /// assert_eq!(batch, [(7, 2), (8, 1)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "countByValue")]
    #[track_caller]
    pub fn count_by_value(&self) -> DStream<(T, u64)>
    where
        T: Key,
    {
        self.each_rdd("count_by_value", Location::caller(), |rdd| Ok(rdd.count_by_value()))
    }

    /// As [`count_by_value`](Self::count_by_value), into `partitions` partitions.
    #[doc(alias = "countByValue")]
    #[track_caller]
    pub fn count_by_value_into(&self, partitions: usize) -> DStream<(T, u64)>
    where
        T: Key,
    {
        self.check_partitions(Site::new("count_by_value", Location::caller()), partitions);
        self.each_rdd(
            "count_by_value",
            Location::caller(),
            move |rdd| Ok(rdd.count_by_value_into(partitions)),
        )
    }

    /// Each element of a batch once.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let words = input_batches(&ssc, 2, vec![vec![7, 8, 7], vec![7]]);
    /// let counts = collect_batches(&words.distinct().count());
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(counts.batches(), [[2], [1]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn distinct(&self) -> DStream<T>
    where
        T: Key,
    {
        self.each_rdd("distinct", Location::caller(), |rdd| Ok(rdd.distinct()))
    }
}

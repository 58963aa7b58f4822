//! `reduce_by_key` and its relatives: one value for each key of a batch.

use std::panic::Location;
use std::sync::Arc;

use super::DStream;
use crate::data::{Data, Key, Wire};
use crate::runtime::Site;

impl<K: Data, V: Data> DStream<(K, V)> {
    /// One value for each key of a batch; `f` must be associative. See
    /// [`Rdd::reduce_by_key`](crate::Rdd::reduce_by_key).
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let ones = input_batches(&ssc, 2, vec![vec![('a', 1), ('b', 1), ('a', 1)]]);
    /// let counts = collect_batches(&ones.reduce_by_key(|a, b| a + b));
    /// run_batches(&ssc, 1)?;
    /// let mut batch = counts.batches().remove(0);
    /// batch.sort();
    /// assert_eq!(batch, [('a', 2), ('b', 1)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "reduceByKey")]
    #[track_caller]
    pub fn reduce_by_key(&self, f: impl Fn(V, V) -> V + Send + Sync + 'static) -> Self
    where
        K: Key,
        V: Wire,
    {
        self.each_rdd_with("reduce_by_key", Location::caller(), f, |rdd, f| {
            rdd.reduce_by_key(move |a, b| f(a, b))
        })
    }

    /// As [`reduce_by_key`](Self::reduce_by_key), into `partitions` partitions.
    #[doc(alias = "reduceByKey")]
    #[track_caller]
    pub fn reduce_by_key_into(&self, partitions: usize, f: impl Fn(V, V) -> V + Send + Sync + 'static) -> Self
    where
        K: Key,
        V: Wire,
    {
        self.check_partitions(Site::new("reduce_by_key", Location::caller()), partitions);
        self.each_rdd_with("reduce_by_key", Location::caller(), f, move |rdd, f| {
            rdd.reduce_by_key_into(partitions, move |a, b| f(a, b))
        })
    }

    /// Combines the values of each key into a value of another type: `create` makes it from the first value of a
    /// partition, `merge_value` adds one, `merge_combiners` joins those of two partitions.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let pairs = input_batches(&ssc, 2, vec![vec![('a', 2.0), ('b', 5.0), ('a', 4.0)]]);
    /// let means = pairs
    ///     .combine_by_key(|v| (v, 1.0), |(sum, n), v| (sum + v, n + 1.0), |a, b| (a.0 + b.0, a.1 + b.1))
    ///     .map_values(|(sum, n)| sum / n);
    /// let means = collect_batches(&means);
    /// run_batches(&ssc, 1)?;
    /// let mut batch = means.batches().remove(0);
    /// batch.sort_by_key(|(key, _)| *key);
    /// assert_eq!(batch, [('a', 3.0), ('b', 5.0)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "combineByKey")]
    #[track_caller]
    pub fn combine_by_key<C: Wire>(
        &self,
        create: impl Fn(V) -> C + Send + Sync + 'static,
        merge_value: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge_combiners: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> DStream<(K, C)>
    where
        K: Key,
    {
        self.combine_by_key_into(self.graph().parallelism(), create, merge_value, merge_combiners)
    }

    /// As [`combine_by_key`](Self::combine_by_key), into `partitions` partitions.
    #[doc(alias = "combineByKey")]
    #[track_caller]
    pub fn combine_by_key_into<C: Wire>(
        &self,
        partitions: usize,
        create: impl Fn(V) -> C + Send + Sync + 'static,
        merge_value: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge_combiners: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> DStream<(K, C)>
    where
        K: Key,
    {
        self.check_partitions(Site::new("combine_by_key", Location::caller()), partitions);
        let f = (create, merge_value, merge_combiners);
        self.each_rdd_with("combine_by_key", Location::caller(), f, move |rdd, f| {
            let (create, merge) = (Arc::clone(&f), Arc::clone(&f));
            rdd.combine_by_key_into(
                partitions,
                move |value| (create.0)(value),
                move |c, value| (merge.1)(c, value),
                move |a, b| (f.2)(a, b),
            )
        })
    }

    /// Folds the values of each key into a value of another type, which begins as `zero` in each partition; `comb` joins
    /// those of two partitions.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let pairs = input_batches(&ssc, 2, vec![vec![('a', 2), ('b', 5), ('a', 4)]]);
    /// let largest = collect_batches(&pairs.aggregate_by_key(0, |max, n| n.max(max), |a, b| a.max(b)));
    /// run_batches(&ssc, 1)?;
    /// let mut batch = largest.batches().remove(0);
    /// batch.sort();
    /// assert_eq!(batch, [('a', 4), ('b', 5)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "aggregateByKey")]
    #[track_caller]
    pub fn aggregate_by_key<C: Wire>(
        &self,
        zero: C,
        seq: impl Fn(C, V) -> C + Send + Sync + 'static,
        comb: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> DStream<(K, C)>
    where
        K: Key,
    {
        self.each_rdd_with("aggregate_by_key", Location::caller(), (seq, comb), move |rdd, f| {
            let seq = Arc::clone(&f);
            rdd.aggregate_by_key(zero.clone(), move |c, value| (seq.0)(c, value), move |a, b| (f.1)(a, b))
        })
    }

    /// All values of each key of a batch, in the order in which they came. Where a combined value is enough,
    /// [`reduce_by_key`](Self::reduce_by_key) moves and holds much less.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let pairs = input_batches(&ssc, 2, vec![vec![('a', 2), ('b', 5), ('a', 4)]]);
    /// let lists = collect_batches(&pairs.group_by_key());
    /// run_batches(&ssc, 1)?;
    /// let mut batch = lists.batches().remove(0);
    /// batch.sort();
    /// assert_eq!(batch, [('a', vec![2, 4]), ('b', vec![5])]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "groupByKey")]
    #[track_caller]
    pub fn group_by_key(&self) -> DStream<(K, Vec<V>)>
    where
        K: Key,
        V: Wire,
    {
        self.each_rdd("group_by_key", Location::caller(), |rdd| Ok(rdd.group_by_key()))
    }

    /// As [`group_by_key`](Self::group_by_key), into `partitions` partitions.
    #[doc(alias = "groupByKey")]
    #[track_caller]
    pub fn group_by_key_into(&self, partitions: usize) -> DStream<(K, Vec<V>)>
    where
        K: Key,
        V: Wire,
    {
        self.check_partitions(Site::new("group_by_key", Location::caller()), partitions);
        self.each_rdd("group_by_key", Location::caller(), move |rdd| Ok(rdd.group_by_key_into(partitions)))
    }

    /// The same pairs in `partitions` partitions, all pairs of a key in one of them, which its stable hash names.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let pairs = input_batches(&ssc, 3, vec![vec![('a', 1), ('a', 2), ('a', 3)]]);
    /// let sizes = collect_batches(&pairs.partition_by(2).glom().map(|part| part.len()).filter(|size| *size > 0));
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(sizes.batches(), [[3]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "partitionBy")]
    #[track_caller]
    pub fn partition_by(&self, partitions: usize) -> Self
    where
        K: Key,
        V: Wire,
    {
        self.check_partitions(Site::new("partition_by", Location::caller()), partitions);
        self.each_rdd("partition_by", Location::caller(), move |rdd| Ok(rdd.partition_by(partitions)))
    }
}

//! `map_partitions`, `map_partitions_with_index`, `glom`, `repartition`, `coalesce`: whole partitions.

use std::panic::Location;

use super::DStream;
use crate::data::{Data, Wire};
use crate::rdd::Elements;
use crate::runtime::Site;

impl<T> DStream<T> {
    /// What `f` makes of each partition: for what is prepared once and used for many elements.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let numbers = input_batches(&ssc, 2, vec![vec![1, 2, 3, 4], vec![5]]);
    /// let sums = collect_batches(&numbers.map_partitions(|numbers| [numbers.sum::<i32>()]));
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(sums.batches(), [[3, 7], [0, 5]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "mapPartitions")]
    #[track_caller]
    pub fn map_partitions<I>(&self, f: impl Fn(Elements<T>) -> I + Send + Sync + 'static) -> DStream<I::Item>
    where
        T: Data,
        I: IntoIterator<Item: Data, IntoIter: 'static> + 'static,
    {
        self.each_rdd_with("map_partitions", Location::caller(), f, |rdd, f| {
            rdd.map_partitions(move |elements| f(elements))
        })
    }

    /// As [`map_partitions`](Self::map_partitions), with the partition's number from 0.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let letters = input_batches(&ssc, 2, vec![vec!['a', 'b', 'c']]);
    /// let placed = letters.map_partitions_with_index(|partition, letters| letters.map(move |letter| (partition, letter)));
    /// let placed = collect_batches(&placed);
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(placed.batches(), [[(0, 'a'), (1, 'b'), (1, 'c')]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "mapPartitionsWithIndex")]
    #[track_caller]
    pub fn map_partitions_with_index<I>(
        &self,
        f: impl Fn(usize, Elements<T>) -> I + Send + Sync + 'static,
    ) -> DStream<I::Item>
    where
        T: Data,
        I: IntoIterator<Item: Data, IntoIter: 'static> + 'static,
    {
        self.each_rdd_with("map_partitions_with_index", Location::caller(), f, |rdd, f| {
            rdd.map_partitions_with_index(move |partition, elements| f(partition, elements))
        })
    }

    /// Each partition as one element.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let numbers = input_batches(&ssc, 2, vec![vec![1, 2, 3, 4], vec![]]);
    /// let parts = collect_batches(&numbers.glom());
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(parts.batches(), [[vec![1, 2], vec![3, 4]], [vec![], vec![]]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn glom(&self) -> DStream<Vec<T>>
    where
        T: Data,
    {
        self.each_rdd("glom", Location::caller(), |rdd| Ok(rdd.glom()))
    }

    /// The elements of each batch in `partitions` partitions of nearly the same size, more or fewer than before; all of
    /// them travel.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let numbers = input_batches(&ssc, 1, vec![vec![1, 2, 3, 4, 5, 6]]);
    /// let sizes = collect_batches(&numbers.repartition(3).glom().map(|part| part.len()));
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(sizes.batches(), [[2, 2, 2]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn repartition(&self, partitions: usize) -> DStream<T>
    where
        T: Wire,
    {
        self.check_partitions(Site::new("repartition", Location::caller()), partitions);
        self.each_rdd("repartition", Location::caller(), move |rdd| Ok(rdd.repartition(partitions)))
    }

    /// At most `partitions` partitions, each made of neighbours, so that order stays and little or nothing travels.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let numbers = input_batches(&ssc, 4, vec![vec![1, 2, 3, 4]]);
    /// let parts = collect_batches(&numbers.coalesce(2).glom());
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(parts.batches(), [[[1, 2], [3, 4]]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn coalesce(&self, partitions: usize) -> DStream<T>
    where
        T: Wire,
    {
        self.check_partitions(Site::new("coalesce", Location::caller()), partitions);
        self.each_rdd("coalesce", Location::caller(), move |rdd| Ok(rdd.coalesce(partitions)))
    }
}

//! `transform` and its relatives: any Rdd for each Rdd.

use std::panic::Location;

use super::DStream;
use crate::data::Data;
use crate::rdd::Rdd;
use crate::words::{BatchTime, BoxError, Error, Result};

impl<T> DStream<T> {
    /// Any Rdd for each Rdd. `f` runs outside tasks, once a batch, so it may read what changes from batch to batch.
    ///
    /// With several members it runs on each, and must give the same plan on all.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let numbers = input_batches(&ssc, 2, vec![vec![3, 1, 2]]);
    /// let sorted = collect_batches(&numbers.transform(|rdd| rdd.sort_by(|n| *n, true)));
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(sorted.batches(), [[1, 2, 3]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn transform<U: Data>(&self, f: impl Fn(Rdd<T>) -> Rdd<U> + Send + Sync + 'static) -> DStream<U>
    where
        T: Data,
    {
        self.each_rdd("transform", Location::caller(), move |rdd| Ok(f(rdd.unnamed())))
    }

    /// As [`transform`](Self::transform), with the batch's time.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let numbers = input_batches(&ssc, 2, vec![vec![1], vec![2]]);
    /// let timed = numbers.transform_at(|rdd, time| rdd.map(move |n| (time.as_millis(), n)));
    /// let timed = collect_batches(&timed);
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(timed.batches(), [[(1000, 1)], [(2000, 2)]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "transform")]
    #[track_caller]
    pub fn transform_at<U: Data>(
        &self,
        f: impl Fn(Rdd<T>, BatchTime) -> Rdd<U> + Send + Sync + 'static,
    ) -> DStream<U>
    where
        T: Data,
    {
        self.each_rdd("transform_at", Location::caller(), move |rdd| {
            let batch = rdd.job().batch;
            Ok(f(rdd.unnamed(), batch))
        })
    }

    /// As [`transform`](Self::transform), for a function that may fail; an error fails the batch.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let numbers = input_batches(&ssc, 2, vec![vec![1, 2], vec![]]);
    /// let shares = numbers.try_transform(|rdd| {
    ///     let sum = rdd.reduce(|a, b| a + b)?.ok_or("nothing to share")?;
    ///     Ok(rdd.map(move |n| (n, sum)))
    /// });
    /// let shares = collect_batches(&shares);
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(shares.batches(), [[(1, 3), (2, 3)]]);
    /// assert!(run_batches(&ssc, 1).unwrap_err().chain().ends_with("nothing to share"));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "transform")]
    #[track_caller]
    pub fn try_transform<U: Data>(
        &self,
        f: impl Fn(Rdd<T>) -> Result<Rdd<U>, BoxError> + Send + Sync + 'static,
    ) -> DStream<U>
    where
        T: Data,
    {
        self.each_rdd("try_transform", Location::caller(), move |rdd| {
            f(rdd.unnamed()).map_err(Error::from_user)
        })
    }

    /// Any Rdd for the Rdds of two streams of the same time.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let words = input_batches(&ssc, 2, vec![vec!["sea", "tide"]]);
    /// let numbers = input_batches(&ssc, 2, vec![vec![1]]);
    /// let counts = words.transform_with(&numbers, |words, numbers| words.map(|_| 1).union(&numbers));
    /// let counts = collect_batches(&counts);
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(counts.batches(), [[1, 1, 1]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "transformWith")]
    #[track_caller]
    pub fn transform_with<U: Data, V: Data>(
        &self,
        other: &DStream<U>,
        f: impl Fn(Rdd<T>, Rdd<U>) -> Rdd<V> + Send + Sync + 'static,
    ) -> DStream<V>
    where
        T: Data,
    {
        self.both_rdds(other, "transform_with", Location::caller(), move |here, there| {
            Ok(f(here.unnamed(), there))
        })
    }

    /// As [`transform_with`](Self::transform_with), with the batch's time.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let left = input_batches(&ssc, 2, vec![vec![1], vec![2]]);
    /// let right = input_batches(&ssc, 2, vec![vec![3], vec![4]]);
    /// // One and the other in turn.
    /// let turns = left.transform_with_at(&right, |left, right, time| if time.as_millis() == 1000 { left } else { right });
    /// let turns = collect_batches(&turns);
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(turns.batches(), [[1], [4]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "transformWith")]
    #[track_caller]
    pub fn transform_with_at<U: Data, V: Data>(
        &self,
        other: &DStream<U>,
        f: impl Fn(Rdd<T>, Rdd<U>, BatchTime) -> Rdd<V> + Send + Sync + 'static,
    ) -> DStream<V>
    where
        T: Data,
    {
        self.both_rdds(other, "transform_with_at", Location::caller(), move |here, there| {
            let batch = here.job().batch;
            Ok(f(here.unnamed(), there, batch))
        })
    }
}

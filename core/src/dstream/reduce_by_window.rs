//! `reduce_by_window`: one element of the last batches.

use std::panic::Location;
use std::time::Duration;

use super::DStream;
use super::windows::{settings, sliding};
use crate::data::Wire;
use crate::runtime::Site;

impl<T> DStream<T> {
    /// One element of all of a window, none for an empty one: at each `slide` of the batches with times in
    /// `(t - length, t]`.
    ///
    /// `f` must be associative; elements come together in the order of partitions and of time. What a slide costs does not
    /// depend on how many a window has. Both lengths are as in [`window`](Self::window).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let numbers = input_batches(&ssc, 2, vec![vec![1, 2], vec![3], vec![]]);
    /// let sums = collect_batches(&numbers.reduce_by_window(Duration::from_secs(2), None, |a, b| a + b));
    /// run_batches(&ssc, 4)?;
    /// assert_eq!(sums.batches(), [vec![3], vec![6], vec![3], vec![]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "reduceByWindow")]
    #[track_caller]
    pub fn reduce_by_window(
        &self,
        length: Duration,
        slide: impl Into<Option<Duration>>,
        f: impl Fn(T, T) -> T + Send + Sync + 'static,
    ) -> Self
    where
        T: Wire,
    {
        let (operator, caller) = ("reduce_by_window", Location::caller());
        let site = Site::new(operator, caller);
        let settings = settings(self, site, length, slide.into());
        let all = self.each_rdd(operator, caller, |rdd| Ok(rdd.map(|element| ((), element))));
        let (window, keeper) = sliding(&all, site, settings, 1, f);
        let stream = window.each_rdd(operator, caller, |rdd| Ok(rdd.values()));
        stream.keep(keeper);
        stream
    }

    /// The same as [`reduce_by_window`](Self::reduce_by_window); **`inverse` is not called**, as in
    /// [`reduce_by_key_and_window_inverse`](DStream::reduce_by_key_and_window_inverse): an empty window has no element.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let numbers = input_batches(&ssc, 2, vec![vec![1, 2], vec![3]]);
    /// let second = Duration::from_secs(1);
    /// let sums = numbers.reduce_by_window_inverse(2 * second, second, |a, b| a + b, |a, b| a - b);
    /// let sums = collect_batches(&sums);
    /// run_batches(&ssc, 4)?;
    /// assert_eq!(sums.batches(), [vec![3], vec![6], vec![3], vec![]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "reduceByWindow")]
    #[track_caller]
    pub fn reduce_by_window_inverse(
        &self,
        length: Duration,
        slide: impl Into<Option<Duration>>,
        f: impl Fn(T, T) -> T + Send + Sync + 'static,
        inverse: impl Fn(T, T) -> T + Send + Sync + 'static,
    ) -> Self
    where
        T: Wire,
    {
        drop(inverse);
        self.reduce_by_window(length, slide, f)
    }
}

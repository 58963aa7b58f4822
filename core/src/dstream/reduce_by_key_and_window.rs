//! `reduce_by_key_and_window` and its forms: one value for each key of the last batches.

use std::panic::Location;
use std::time::Duration;

use super::DStream;
use super::windows::{settings, sliding};
use crate::data::{Data, Key, Wire};
use crate::runtime::Site;

impl<K: Data, V: Data> DStream<(K, V)> {
    /// One value for each key of a window: at each `slide` of the batches with times in `(t - length, t]`. A key that is in
    /// none of them any more is not there any more.
    ///
    /// `f` must be associative; values come together in the order of time. Both lengths are as in
    /// [`window`](Self::window).
    ///
    /// Each batch is reduced once, batches of one slide to a *pane*, and panes a little at each slide: so the cost of a slide
    /// depends on how many keys there are, and not on how many slides a window has. A value of a window is held about as
    /// often as the key came in a slide of it, so it should not grow with the window: for lists there is
    /// [`group_by_key_and_window`](Self::group_by_key_and_window).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let ones = input_batches(&ssc, 2, vec![vec![('a', 1), ('a', 1)], vec![('a', 1)], vec![('b', 1)]]);
    /// let counts = ones.reduce_by_key_and_window(Duration::from_secs(2), Duration::from_secs(1), |a, b| a + b);
    /// let counts = collect_batches(&counts.map(|(key, count)| format!("{key}: {count}")));
    /// run_batches(&ssc, 4)?;
    /// let mut batches = counts.batches();
    /// batches.iter_mut().for_each(|batch| batch.sort());
    /// assert_eq!(batches, [vec!["a: 2"], vec!["a: 3"], vec!["a: 1", "b: 1"], vec!["b: 1"]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "reduceByKeyAndWindow")]
    #[track_caller]
    pub fn reduce_by_key_and_window(
        &self,
        length: Duration,
        slide: impl Into<Option<Duration>>,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
    ) -> Self
    where
        K: Key,
        V: Wire,
    {
        self.reduce_by_key_and_window_into(self.graph().parallelism(), length, slide, f)
    }

    /// As [`reduce_by_key_and_window`](Self::reduce_by_key_and_window), into `partitions` partitions.
    #[doc(alias = "reduceByKeyAndWindow")]
    #[track_caller]
    pub fn reduce_by_key_and_window_into(
        &self,
        partitions: usize,
        length: Duration,
        slide: impl Into<Option<Duration>>,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
    ) -> Self
    where
        K: Key,
        V: Wire,
    {
        let site = Site::new("reduce_by_key_and_window", Location::caller());
        let (stream, keeper) = sliding(self, site, settings(self, site, length, slide.into()), partitions, f);
        stream.keep(keeper);
        stream
    }

    /// The same as [`reduce_by_key_and_window`](Self::reduce_by_key_and_window); **`inverse` is not called**.
    ///
    /// In Spark it takes what leaves a window out of what the window had before, so that not all of it is combined again.
    /// Panes make that unnecessary at no higher cost, so this form always agrees with the one without: also where `inverse`
    /// is not exact, where the slide is longer than the window, and a key that has left is gone instead of staying with
    /// the value that `inverse` left of it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let ones = input_batches(&ssc, 2, vec![vec![('a', 1), ('a', 1)], vec![('a', 1)]]);
    /// let second = Duration::from_secs(1);
    /// let counts = ones.reduce_by_key_and_window_inverse(2 * second, second, |a, b| a + b, |a, b| a - b);
    /// let counts = collect_batches(&counts);
    /// run_batches(&ssc, 4)?;
    /// assert_eq!(counts.batches(), [vec![('a', 2)], vec![('a', 3)], vec![('a', 1)], vec![]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "reduceByKeyAndWindow")]
    #[track_caller]
    pub fn reduce_by_key_and_window_inverse(
        &self,
        length: Duration,
        slide: impl Into<Option<Duration>>,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
        inverse: impl Fn(V, V) -> V + Send + Sync + 'static,
    ) -> Self
    where
        K: Key,
        V: Wire,
    {
        drop(inverse);
        self.reduce_by_key_and_window(length, slide, f)
    }

    /// As [`reduce_by_key_and_window_inverse`](Self::reduce_by_key_and_window_inverse), into `partitions` partitions.
    #[doc(alias = "reduceByKeyAndWindow")]
    #[track_caller]
    pub fn reduce_by_key_and_window_inverse_into(
        &self,
        partitions: usize,
        length: Duration,
        slide: impl Into<Option<Duration>>,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
        inverse: impl Fn(V, V) -> V + Send + Sync + 'static,
    ) -> Self
    where
        K: Key,
        V: Wire,
    {
        drop(inverse);
        self.reduce_by_key_and_window_into(partitions, length, slide, f)
    }

    /// As [`reduce_by_key_and_window_inverse`](Self::reduce_by_key_and_window_inverse), with only those pairs of a window
    /// that `filter` keeps.
    ///
    /// It says what is in the window's Rdd, and nothing is forgotten for it: in Spark it drops keys from what is remembered,
    /// and one that drops a key which is still in the window fails each batch behind.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let ones = input_batches(&ssc, 2, vec![vec![('a', 1)], vec![('a', 1)], vec![('a', 1)]]);
    /// let second = Duration::from_secs(1);
    /// let often =
    ///     ones.reduce_by_key_and_window_filtered(2 * second, second, |a, b| a + b, |a, b| a - b, |(_, n)| *n > 1);
    /// let often = collect_batches(&often);
    /// run_batches(&ssc, 3)?;
    /// assert_eq!(often.batches(), [vec![], vec![('a', 2)], vec![('a', 2)]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "reduceByKeyAndWindow")]
    #[track_caller]
    pub fn reduce_by_key_and_window_filtered(
        &self,
        length: Duration,
        slide: impl Into<Option<Duration>>,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
        inverse: impl Fn(V, V) -> V + Send + Sync + 'static,
        filter: impl Fn(&(K, V)) -> bool + Send + Sync + 'static,
    ) -> Self
    where
        K: Key,
        V: Wire,
    {
        self.reduce_by_key_and_window_filtered_into(
            self.graph().parallelism(),
            length,
            slide,
            f,
            inverse,
            filter,
        )
    }

    /// As [`reduce_by_key_and_window_filtered`](Self::reduce_by_key_and_window_filtered), into `partitions` partitions.
    #[doc(alias = "reduceByKeyAndWindow")]
    #[track_caller]
    pub fn reduce_by_key_and_window_filtered_into(
        &self,
        partitions: usize,
        length: Duration,
        slide: impl Into<Option<Duration>>,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
        inverse: impl Fn(V, V) -> V + Send + Sync + 'static,
        filter: impl Fn(&(K, V)) -> bool + Send + Sync + 'static,
    ) -> Self
    where
        K: Key,
        V: Wire,
    {
        drop(inverse);
        let (operator, caller) = ("reduce_by_key_and_window", Location::caller());
        let site = Site::new(operator, caller);
        let settings = settings(self, site, length, slide.into());
        let (window, keeper) = sliding(self, site, settings, partitions, f);
        let stream = window
            .each_rdd_with(operator, caller, filter, |rdd, filter| rdd.filter(move |pair| filter(pair)));
        stream.keep(keeper);
        stream
    }
}

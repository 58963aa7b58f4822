//! `count_by_value_and_window`: how often each element is in the last batches.

use std::panic::Location;
use std::time::Duration;

use super::DStream;
use super::windows::{settings, sliding};
use crate::data::Key;
use crate::runtime::Site;

impl<T> DStream<T> {
    /// Each element of a window once, with how often it is there. Both lengths are as in [`window`](Self::window).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let numbers = input_batches(&ssc, 2, vec![vec![7, 7], vec![7], vec![]]);
    /// let counts = collect_batches(&numbers.count_by_value_and_window(Duration::from_secs(2), None));
    /// run_batches(&ssc, 4)?;
    /// assert_eq!(counts.batches(), [vec![(7, 2)], vec![(7, 3)], vec![(7, 1)], vec![]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "countByValueAndWindow")]
    #[track_caller]
    pub fn count_by_value_and_window(
        &self,
        length: Duration,
        slide: impl Into<Option<Duration>>,
    ) -> DStream<(T, u64)>
    where
        T: Key,
    {
        self.count_by_value_and_window_into(self.graph().parallelism(), length, slide)
    }

    /// As [`count_by_value_and_window`](Self::count_by_value_and_window), into `partitions` partitions.
    #[doc(alias = "countByValueAndWindow")]
    #[track_caller]
    pub fn count_by_value_and_window_into(
        &self,
        partitions: usize,
        length: Duration,
        slide: impl Into<Option<Duration>>,
    ) -> DStream<(T, u64)>
    where
        T: Key,
    {
        let (operator, caller) = ("count_by_value_and_window", Location::caller());
        let site = Site::new(operator, caller);
        let settings = settings(self, site, length, slide.into());
        let ones = self.each_rdd(operator, caller, |rdd| Ok(rdd.map(|element| (element, 1))));
        let (stream, keeper) = sliding(&ones, site, settings, partitions, |a, b| a + b);
        stream.keep(keeper);
        stream
    }
}

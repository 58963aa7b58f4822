//! `group_by_key_and_window`: all values of each key of the last batches.

use std::panic::Location;
use std::time::Duration;

use super::DStream;
use super::windows::{recorded, settings};
use crate::data::{Data, Key, Wire};
use crate::rdd::Codec;
use crate::runtime::Site;

impl<K: Data, V: Data> DStream<(K, V)> {
    /// All values of each key of a [`window`](Self::window), oldest first. Pairs go to the partition of their key once, in
    /// their own batch.
    ///
    /// A list has all that came, so each slide costs as much as the window has records. Where a combined value is enough,
    /// [`reduce_by_key_and_window`](Self::reduce_by_key_and_window) holds and does much less.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let pairs = input_batches(&ssc, 1, vec![vec![('a', 1)], vec![('a', 2)], vec![('a', 3)]]);
    /// let lists = collect_batches(&pairs.group_by_key_and_window(Duration::from_secs(2), None));
    /// run_batches(&ssc, 3)?;
    /// assert_eq!(lists.batches(), [[('a', vec![1])], [('a', vec![1, 2])], [('a', vec![2, 3])]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "groupByKeyAndWindow")]
    #[track_caller]
    pub fn group_by_key_and_window(
        &self,
        length: Duration,
        slide: impl Into<Option<Duration>>,
    ) -> DStream<(K, Vec<V>)>
    where
        K: Key,
        V: Wire,
    {
        self.group_by_key_and_window_into(self.graph().parallelism(), length, slide)
    }

    /// As [`group_by_key_and_window`](Self::group_by_key_and_window), into `partitions` partitions.
    #[doc(alias = "groupByKeyAndWindow")]
    #[track_caller]
    pub fn group_by_key_and_window_into(
        &self,
        partitions: usize,
        length: Duration,
        slide: impl Into<Option<Duration>>,
    ) -> DStream<(K, Vec<V>)>
    where
        K: Key,
        V: Wire,
    {
        let (operator, caller) = ("group_by_key_and_window", Location::caller());
        let site = Site::new(operator, caller);
        self.check_partitions(site, partitions);
        let settings = settings(self, site, length, slide.into());
        let placed = self.each_rdd(operator, caller, move |rdd| Ok(rdd.partition_by(partitions)));
        let (window, keeper) = recorded(&placed, site, settings, Codec::of_pairs());
        let lists = window.each_rdd(operator, caller, move |rdd| Ok(rdd.group_by_key_into(partitions)));
        lists.keep(keeper);
        lists
    }
}

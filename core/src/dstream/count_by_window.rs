//! `count_by_window`: how many records the last batches have.

use std::panic::Location;
use std::time::Duration;

use super::DStream;
use super::windows::{settings, sliding};
use crate::data::Data;
use crate::rdd::Rdd;
use crate::runtime::Site;

impl<T> DStream<T> {
    /// How many records a window has: exactly one number for each slide, 0 for an empty window. Records are counted in
    /// their own batch, and not kept. Both lengths are as in [`window`](Self::window).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let words = input_batches(&ssc, 2, vec![vec![], vec!["sea", "tide"], vec!["mill"]]);
    /// let counts = collect_batches(&words.count_by_window(Duration::from_secs(2), Duration::from_secs(1)));
    /// run_batches(&ssc, 5)?;
    /// assert_eq!(counts.batches(), [[0], [2], [3], [1], [0]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "countByWindow")]
    #[track_caller]
    pub fn count_by_window(&self, length: Duration, slide: impl Into<Option<Duration>>) -> DStream<u64>
    where
        T: Data,
    {
        let (operator, caller) = ("count_by_window", Location::caller());
        let site = Site::new(operator, caller);
        let settings = settings(self, site, length, slide.into());
        let counted = self.each_rdd(operator, caller, |rdd| {
            Ok(rdd.map_partitions(|elements| [((), elements.count() as u64)]))
        });
        let (window, keeper) = sliding(&counted, site, settings, 1, |a, b| a + b);
        let stream = window.each_rdd(operator, caller, |rdd| {
            // A window without batches, or with such as have no partition, has its number all the same.
            let none = Rdd::parallelize(rdd.job(), vec![((), 0)], 1);
            Ok(none.union(&rdd).reduce_by_key_into(1, |a, b| a + b).values())
        });
        stream.keep(keeper);
        stream
    }
}

//! `right_outer_join`: the pairs of two Rdds by key, and what has no match there.

use std::panic::Location;
use std::sync::Arc;

use super::Rdd;
use super::exchange::Shuffled;
use super::hash_join::{hash_join, placed};
use crate::data::{Data, Key, Wire};

impl<K: Data, V: Data> Rdd<(K, V)> {
    /// As [`join`](Self::join), and each value of `other` whose key is not here, with `None` for it.
    ///
    /// In a partition, results stand in the order of the values in `other`; this Rdd is held in memory. The result has as
    /// many partitions as `tidemill.default.parallelism` says.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let ships = ssc.parallelize(vec![(1u32, 'a'), (2, 'b')], 2);
    /// let quays = ssc.parallelize(vec![(2u32, 7.5), (3, 4.0)], 2);
    /// let mut all = ships.right_outer_join(&quays).collect()?;
    /// all.sort_by_key(|(key, _)| *key);
    /// assert_eq!(all, [(2, (Some('b'), 7.5)), (3, (None, 4.0))]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "rightOuterJoin")]
    #[track_caller]
    pub fn right_outer_join<W: Wire>(&self, other: &Rdd<(K, W)>) -> Rdd<(K, (Option<V>, W))>
    where
        K: Key,
        V: Wire,
    {
        self.right_outer_join_into(self.job().engine.parallelism(), other)
    }

    /// As [`right_outer_join`](Self::right_outer_join), into `partitions` partitions.
    #[track_caller]
    pub fn right_outer_join_into<W: Wire>(
        &self,
        partitions: usize,
        other: &Rdd<(K, W)>,
    ) -> Rdd<(K, (Option<V>, W))>
    where
        K: Key,
        V: Wire,
    {
        let site = self.site("right_outer_join", Location::caller());
        let here = Arc::new(placed(&self.node(), partitions, site));
        let there = Arc::new(placed(&other.node(), partitions, site));
        let shuffled = Shuffled::two(here, there, |here, there, _| {
            hash_join(there, here, |w, v| (Some(v), w), |w| Some((None, w)))
        });
        self.then(shuffled.keyed())
    }
}

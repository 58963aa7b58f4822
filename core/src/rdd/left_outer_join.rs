//! `left_outer_join`: the pairs of two Rdds by key, and what has no match here.

use std::panic::Location;
use std::sync::Arc;

use super::Rdd;
use super::exchange::Shuffled;
use super::hash_join::{hash_join, placed};
use crate::data::{Data, Key, Wire};

impl<K: Data, V: Data> Rdd<(K, V)> {
    /// As [`join`](Self::join), and each value here whose key `other` does not have, with `None` for it.
    ///
    /// The result has as many partitions as `tidemill.default.parallelism` says.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let ships = ssc.parallelize(vec![(1u32, 'a'), (2, 'b')], 2);
    /// let quays = ssc.parallelize(vec![(2u32, 7.5), (3, 4.0)], 2);
    /// let mut all = ships.left_outer_join(&quays).collect()?;
    /// all.sort_by_key(|(key, _)| *key);
    /// assert_eq!(all, [(1, ('a', None)), (2, ('b', Some(7.5)))]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "leftOuterJoin")]
    #[track_caller]
    pub fn left_outer_join<W: Wire>(&self, other: &Rdd<(K, W)>) -> Rdd<(K, (V, Option<W>))>
    where
        K: Key,
        V: Wire,
    {
        self.left_outer_join_into(self.job().engine.parallelism(), other)
    }

    /// As [`left_outer_join`](Self::left_outer_join), into `partitions` partitions.
    #[track_caller]
    pub fn left_outer_join_into<W: Wire>(
        &self,
        partitions: usize,
        other: &Rdd<(K, W)>,
    ) -> Rdd<(K, (V, Option<W>))>
    where
        K: Key,
        V: Wire,
    {
        let site = self.site("left_outer_join", Location::caller());
        let here = Arc::new(placed(&self.node(), partitions, site));
        let there = Arc::new(placed(&other.node(), partitions, site));
        let shuffled = Shuffled::two(here, there, |here, there, _| {
            hash_join(here, there, |v, w| (v, Some(w)), |v| Some((v, None)))
        });
        self.then(shuffled.keyed())
    }
}

//! `join`: the pairs of two Rdds by key.

use std::panic::Location;
use std::sync::Arc;

use super::Rdd;
use super::exchange::Shuffled;
use super::hash_join::{hash_join, placed};
use crate::data::{Data, Key, Wire};

impl<K: Data, V: Data> Rdd<(K, V)> {
    /// Each value here with each value of the same key in `other`: a key that is there twice on both sides gives four.
    ///
    /// In a partition, results stand in the order of the values here. `other` is held in memory, so let it be the smaller
    /// one. The result has as many partitions as `tidemill.default.parallelism` says.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let ships = ssc.parallelize(vec![(1u32, 'a'), (2, 'b'), (2, 'c')], 2);
    /// let quays = ssc.parallelize(vec![(2u32, 7.5), (3, 4.0)], 2);
    /// assert_eq!(ships.join(&quays).collect()?, [(2, ('b', 7.5)), (2, ('c', 7.5))]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn join<W: Wire>(&self, other: &Rdd<(K, W)>) -> Rdd<(K, (V, W))>
    where
        K: Key,
        V: Wire,
    {
        self.join_into(self.job().engine.parallelism(), other)
    }

    /// As [`join`](Self::join), into `partitions` partitions.
    #[track_caller]
    pub fn join_into<W: Wire>(&self, partitions: usize, other: &Rdd<(K, W)>) -> Rdd<(K, (V, W))>
    where
        K: Key,
        V: Wire,
    {
        let site = self.site("join", Location::caller());
        let here = Arc::new(placed(&self.node(), partitions, site));
        let there = Arc::new(placed(&other.node(), partitions, site));
        let shuffled =
            Shuffled::two(here, there, |here, there, _| hash_join(here, there, |v, w| (v, w), |_| None));
        self.then(shuffled.keyed())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::job;
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_one_side_and_then_of_the_other() {
        let job = job(2);
        let ships = Rdd::parallelize(&job, vec![(1, 'a'), (2, 'b'), (1, 'c'), (4, 'd')], 2);
        let quays = Rdd::parallelize(&job, vec![(1, 10), (3, 30), (1, 11), (2, 20), (1, 12)], 2);
        let here = [('a', 10), ('a', 11), ('a', 12), ('b', 20), ('c', 10), ('c', 11), ('c', 12)];
        let joined = ships.join_into(1, &quays).map(|(_, pair)| pair).collect().unwrap();
        assert_eq!(joined, here);
        let there = [
            (Some('a'), 10),
            (Some('c'), 10),
            (None, 30),
            (Some('a'), 11),
            (Some('c'), 11),
            (Some('b'), 20),
            (Some('a'), 12),
            (Some('c'), 12),
        ];
        let joined = ships.right_outer_join_into(1, &quays).map(|(_, pair)| pair).collect().unwrap();
        assert_eq!(joined, there);
    }
}

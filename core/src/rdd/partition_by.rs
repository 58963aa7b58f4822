//! `partition_by`: pairs, each in the partition that its key names.

use std::panic::Location;

use super::Rdd;
use super::exchange::Shuffled;
use super::hash_join::placed;
use super::wire::Pair;
use crate::data::{Data, Key, Wire};

impl<K: Data, V: Data> Rdd<(K, V)> {
    /// The same pairs in `partitions` partitions, each where the stable hash of its key belongs; in a partition, in the
    /// order of (partition, record) that they had.
    ///
    /// A shuffle by key into as many partitions that follows, such as [`join_into`](Self::join_into), then moves nothing.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let levels = ssc.parallelize(vec![(1u32, 2.5), (2, 4.0), (1, 3.5)], 3).partition_by(4);
    /// assert_eq!(levels.num_partitions(), 4);
    /// let first = levels.filter(|(harbour, _)| *harbour == 1);
    /// assert_eq!(first.collect()?, [(1, 2.5), (1, 3.5)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "partitionBy")]
    #[track_caller]
    pub fn partition_by(&self, partitions: usize) -> Self
    where
        K: Key,
        V: Wire,
    {
        let site = self.site("partition_by", Location::caller());
        let shuffled = Shuffled::one(placed(&self.node(), partitions, site), |incoming, _| {
            let mut out = Vec::with_capacity(incoming.len());
            incoming.for_each(|_, Pair(key, value)| {
                out.push((key, value));
                Ok(())
            })?;
            Ok(out)
        });
        self.then(shuffled.keyed())
    }
}

#[cfg(test)]
mod tests {
    use super::super::shuffle_tests::by_partition;
    use super::super::tests::job;
    use super::*;
    use crate::data::KeyGroup;

    #[test]
    fn each_pair_is_where_the_group_of_its_key_says_in_the_order_it_had() {
        let pairs: Vec<(u32, u32)> = (0..2000).map(|n| (n % 500, n)).collect();
        let rdd = Rdd::parallelize(&job(2), pairs, 3).partition_by(128);
        for (partition, pairs) in by_partition(&rdd).into_iter().enumerate() {
            for (key, _) in &pairs {
                assert_eq!(usize::from(KeyGroup::of(key).unwrap().index()), partition, "{key}");
            }
            assert!(pairs.is_sorted_by_key(|(_, n)| *n), "{pairs:?}");
        }
    }

    #[test]
    fn every_shuffle_by_key_puts_a_key_into_the_same_partition() {
        let pairs = Rdd::parallelize(&job(2), (0..100u32).map(|n| (n % 20, n)).collect(), 3);
        let keys = |rdd: Rdd<(u32, u32)>| -> Vec<Vec<u32>> {
            let sorted = |mut keys: Vec<u32>| {
                keys.sort_unstable();
                keys.dedup();
                keys
            };
            by_partition(&rdd)
                .iter()
                .map(|pairs| sorted(pairs.iter().map(|(key, _)| *key).collect()))
                .collect()
        };
        let placed = keys(pairs.partition_by(4));
        assert!(placed.iter().all(|keys| !keys.is_empty()), "{placed:?}");
        assert_eq!(keys(pairs.reduce_by_key_into(4, |a, _| a)), placed);
        assert_eq!(keys(pairs.partition_by(4).reduce_by_key_into(4, |a, _| a)), placed);
        assert_eq!(keys(pairs.join_into(4, &pairs.partition_by(4)).map(|(key, _)| (key, 0))), placed);
        assert_eq!(keys(pairs.full_outer_join_into(4, &pairs).map(|(key, _)| (key, 0))), placed);
        assert_eq!(keys(pairs.map(|(key, _)| key).count_by_value_into(4).map(|(key, _)| (key, 0))), placed);
    }
}

//! `count_by_key` and `collect_as_map`: pairs as a map.

use std::collections::HashMap;
use std::hash::Hash;
use std::panic::Location;

use super::Rdd;
use super::table::Table;
use super::wire::{Many, Pair};
use crate::data::{Data, Key, Wire};
use crate::words::Result;

impl<K: Data, V: Data> Rdd<(K, V)> {
    /// How many pairs each key has; on every member. All keys must fit in memory: where they may not, count with
    /// `reduce_by_key`.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let pairs = ssc.parallelize(vec![(1, 'a'), (2, 'b'), (1, 'c')], 2);
    /// assert_eq!(pairs.count_by_key()?, [(1, 2), (2, 1)].into());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first failure of a task.
    #[doc(alias = "countByKey")]
    #[track_caller]
    pub fn count_by_key(&self) -> Result<HashMap<K, u64>>
    where
        K: Key,
    {
        let site = self.site("count_by_key", Location::caller());
        let parts = self.run("count_by_key", site, |up| {
            let mut counts = Table::with_capacity(0);
            up.for_each(|(key, _)| {
                *counts.entry(key, || 0u64) += 1;
                Ok(())
            })?;
            Ok(Many(counts.into_entries().map(|(key, count)| Pair(key, count)).collect()))
        })?;
        let mut all = HashMap::new();
        for Pair(key, count) in parts.into_iter().flat_map(|Many(part)| part) {
            *all.entry(key).or_default() += count;
        }
        Ok(all)
    }

    /// All pairs as a map, on every member; of a key that comes twice the last value stays.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let pairs = ssc.parallelize(vec![(1, 'a'), (2, 'b'), (1, 'c')], 2);
    /// assert_eq!(pairs.collect_as_map()?, [(1, 'c'), (2, 'b')].into());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first failure of a task.
    #[doc(alias = "collectAsMap")]
    #[track_caller]
    pub fn collect_as_map(&self) -> Result<HashMap<K, V>>
    where
        K: Wire + Hash + Eq,
        V: Wire,
    {
        let site = self.site("collect_as_map", Location::caller());
        let parts = self.run("collect_as_map", site, |up| {
            let mut all = Vec::new();
            up.for_each(|(key, value)| {
                all.push(Pair(key, value));
                Ok(())
            })?;
            Ok(Many(all))
        })?;
        Ok(parts.into_iter().flat_map(|Many(part)| part).map(|Pair(key, value)| (key, value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::rdd::Rdd;
    use crate::rdd::tests::same_on_all;

    #[test]
    fn counts_over_partitions_and_members() {
        let counts = same_on_all(|job| {
            let pairs = (0..1_000u32).map(|n| (n % 7, ())).collect();
            Rdd::parallelize(job, pairs, 4).count_by_key().unwrap()
        });
        let expected =
            (0..7).map(|key| (key, (0..1_000u32).filter(|n| n % 7 == key).count() as u64)).collect();
        assert_eq!(counts, expected);
    }

    #[test]
    fn the_last_value_of_a_key_stays() {
        let map = same_on_all(|job| {
            let pairs = (0..100u32).map(|n| (n % 3, n)).collect();
            Rdd::parallelize(job, pairs, 5).collect_as_map().unwrap()
        });
        assert_eq!(map, [(0, 99), (1, 97), (2, 98)].into());
    }
}

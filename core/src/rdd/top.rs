//! `top` and `take_ordered`: the greatest and the least.

use std::cmp::Ordering;
use std::panic::Location;

use super::Rdd;
use super::wire::Many;
use crate::data::Wire;
use crate::runtime::Site;
use crate::words::Result;

/// What a task holds before it sorts for the first time, where few are wanted.
const HELD_MIN: usize = 1_024;

impl<T: Wire> Rdd<T> {
    /// The `n` greatest elements, the greatest first. A task holds no more than about `2 · n` elements.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// assert_eq!(ssc.parallelize(vec![3, 1, 4, 1, 5], 2).top(2)?, [5, 4]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first failure of a task.
    #[track_caller]
    pub fn top(&self, n: usize) -> Result<Vec<T>>
    where
        T: Ord,
    {
        self.head_by(self.site("top", Location::caller()), "top", n, |a, b| b.cmp(a))
    }

    /// As [`top`](Self::top), by what `key` says; of equal ones the first.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let counts = ssc.parallelize(vec![("sea".to_string(), 7), ("tide".to_string(), 9)], 2);
    /// assert_eq!(counts.top_by(1, |(_, count)| *count)?, [("tide".to_string(), 9)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first failure of a task.
    #[track_caller]
    pub fn top_by<K: Ord>(&self, n: usize, key: impl Fn(&T) -> K + Sync) -> Result<Vec<T>> {
        self.head_by(self.site("top_by", Location::caller()), "top_by", n, |a, b| key(b).cmp(&key(a)))
    }

    /// The `n` least elements, the least first.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// assert_eq!(ssc.parallelize(vec![3, 1, 4, 1, 5], 2).take_ordered(3)?, [1, 1, 3]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first failure of a task.
    #[doc(alias = "takeOrdered")]
    #[track_caller]
    pub fn take_ordered(&self, n: usize) -> Result<Vec<T>>
    where
        T: Ord,
    {
        self.head_by(self.site("take_ordered", Location::caller()), "take_ordered", n, Ord::cmp)
    }

    /// As [`take_ordered`](Self::take_ordered), by what `key` says; of equal ones the first.
    ///
    /// # Errors
    /// The first failure of a task.
    #[track_caller]
    pub fn take_ordered_by<K: Ord>(&self, n: usize, key: impl Fn(&T) -> K + Sync) -> Result<Vec<T>> {
        let site = self.site("take_ordered_by", Location::caller());
        self.head_by(site, "take_ordered_by", n, |a, b| key(a).cmp(&key(b)))
    }

    fn head_by(
        &self,
        site: Site,
        action: &'static str,
        n: usize,
        order: impl Fn(&T, &T) -> Ordering + Sync,
    ) -> Result<Vec<T>> {
        let keep = |elements: &mut Vec<T>| {
            // Stable, so of equal elements those that came first stay.
            elements.sort_by(&order);
            elements.truncate(n);
        };
        let held_max = n.saturating_mul(2).max(HELD_MIN);
        let parts = self.run(action, site, |mut up| {
            let mut held = Vec::new();
            while let Some(chunk) = up.next()? {
                chunk.append_to(&mut held);
                if held.len() >= held_max {
                    keep(&mut held);
                }
            }
            keep(&mut held);
            Ok(Many(held))
        })?;
        let mut all: Vec<T> = parts.into_iter().flat_map(|Many(part)| part).collect();
        keep(&mut all);
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rdd::tests::{job, same_on_all};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn is_the_head_of_a_stable_sort(
            values in prop::collection::vec(0u32..50, 0..3_000), n in 0usize..40, partitions in 1usize..5,
        ) {
            let placed: Vec<(u32, u32)> = values.into_iter().zip(0..).collect();
            let rdd = Rdd::parallelize(&job(1), placed.clone(), partitions);
            let mut sorted = placed;
            sorted.sort_by_key(|(value, _)| *value);
            prop_assert_eq!(rdd.take_ordered_by(n, |(value, _)| *value).unwrap(), &sorted[..n.min(sorted.len())]);
            sorted.sort_by_key(|(value, _)| std::cmp::Reverse(*value));
            prop_assert_eq!(rdd.top_by(n, |(value, _)| *value).unwrap(), &sorted[..n.min(sorted.len())]);
        }
    }

    #[test]
    fn is_the_same_on_all_members() {
        let found = same_on_all(|job| {
            let numbers = Rdd::parallelize(job, (0..5_000).map(|n| n * 37 % 5_000).collect::<Vec<u32>>(), 4);
            (numbers.top(3).unwrap(), numbers.take_ordered(3).unwrap())
        });
        assert_eq!(found, (vec![4_999, 4_998, 4_997], vec![0, 1, 2]));
    }

    #[test]
    fn more_than_there_are_gives_all() {
        assert_eq!(Rdd::parallelize(&job(1), vec![2, 3, 1], 2).top(usize::MAX).unwrap(), [3, 2, 1]);
    }
}

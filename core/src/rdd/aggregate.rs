//! `aggregate` and `fold`: one value of all, from a zero.

use std::panic::Location;

use super::Rdd;
use crate::data::{Data, Wire};
use crate::runtime::Site;
use crate::words::Result;

impl<T> Rdd<T> {
    /// One value of all elements: each partition starts at `zero` and takes its elements in by `add`, then `merge` joins
    /// these values in the order of partitions, beginning with `zero` again.
    ///
    /// So `zero` comes in once for each partition and once more: it must change nothing, as 0 does in a sum.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let words = ssc.parallelize(vec!["tide", "mill", "sea"], 2);
    /// let (letters, count) =
    ///     words.aggregate((0, 0), |(letters, n), w| (letters + w.len(), n + 1), |a, b| (a.0 + b.0, a.1 + b.1))?;
    /// assert_eq!((letters, count), (11, 3));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first failure of a task.
    #[track_caller]
    pub fn aggregate<U: Wire>(
        &self,
        zero: U,
        add: impl Fn(U, T) -> U + Sync,
        merge: impl Fn(U, U) -> U,
    ) -> Result<U>
    where
        T: Data,
    {
        self.aggregate_at(self.site("aggregate", Location::caller()), "aggregate", zero, add, merge)
    }

    /// One value of all elements by one function; `zero` comes in as in [`aggregate`](Self::aggregate).
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// assert_eq!(ssc.parallelize(vec![3, 1, 4], 2).fold(0, |a, b| a.max(b))?, 4);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first failure of a task.
    #[track_caller]
    pub fn fold(&self, zero: T, f: impl Fn(T, T) -> T + Sync) -> Result<T>
    where
        T: Wire,
    {
        self.aggregate_at(self.site("fold", Location::caller()), "fold", zero, &f, &f)
    }

    fn aggregate_at<U: Wire>(
        &self,
        site: Site,
        action: &'static str,
        zero: U,
        add: impl Fn(U, T) -> U + Sync,
        merge: impl Fn(U, U) -> U,
    ) -> Result<U>
    where
        T: Data,
    {
        let parts = self.run(action, site, |up| up.fold(zero.clone(), &add))?;
        Ok(parts.into_iter().fold(zero, merge))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::rdd::tests::{job, same_on_all};

    #[test]
    fn zero_comes_in_once_for_each_partition_and_once_more() {
        let numbers = Rdd::parallelize(&job(2), vec![1, 2, 3], 4);
        assert_eq!(numbers.fold(100, |a, b| a + b).unwrap(), 506);
        assert_eq!(numbers.aggregate(1, |a, n| a + n, |a, b| a * b).unwrap(), 2 * 3 * 4);
    }

    #[test]
    fn partitions_are_merged_in_order_on_all_members() {
        let text = same_on_all(|job| {
            let numbers = Rdd::parallelize(job, (0..9).collect::<Vec<u32>>(), 4);
            numbers
                .aggregate(String::new(), |text, n| format!("{text}{n}"), |a, b| format!("{a}|{b}"))
                .unwrap()
        });
        assert_eq!(text, "|01|23|45|678");
    }

    #[test]
    fn a_task_that_fails_once_starts_again_from_zero() {
        let failed = AtomicBool::new(false);
        let numbers = Rdd::parallelize(&job(2), (0..1_000).collect::<Vec<u32>>(), 2);
        let sum = numbers.fold(0, |a, b| {
            assert!(b != 900 || failed.swap(true, Ordering::Relaxed), "once");
            a + b
        });
        assert_eq!(sum.unwrap(), 499_500);
    }
}

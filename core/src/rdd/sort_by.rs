//! `sort_by`: in the order of a key that a function gives.

use std::cmp::Reverse;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

use super::by_key::each_owned;
use super::exchange::{Exchange, Shuffled};
use super::node::Pull;
use super::ranges::Sampled;
use super::{Function, Rdd};
use crate::data::{Data, Wire};
use crate::runtime::Site;

impl<T: Data> Rdd<T> {
    /// In the order of what `key` gives for each element, over all partitions: each partition of the result is sorted,
    /// and all of it comes before the next one.
    ///
    /// Elements with equal keys stay in the order of (partition, record) that they had, also where `ascending` is false,
    /// and together in one partition. `key` is called a few times for each element, so it must always give the same. The
    /// result has as many partitions as `tidemill.default.parallelism` says; where they end is drawn from a sample.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let levels = ssc.parallelize(vec![(1u32, 35), (2, 40), (3, 25), (4, 40)], 2);
    /// let highest = levels.sort_by(|(_, level)| *level, false).take(3)?;
    /// assert_eq!(highest, [(2, 40), (4, 40), (1, 35)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "sortBy")]
    #[track_caller]
    pub fn sort_by<K: Wire + Ord>(
        &self,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
        ascending: bool,
    ) -> Self
    where
        T: Wire,
    {
        self.sort_by_into(self.job().engine.parallelism(), key, ascending)
    }

    /// As [`sort_by`](Self::sort_by), into `partitions` partitions.
    #[track_caller]
    pub fn sort_by_into<K: Wire + Ord>(
        &self,
        partitions: usize,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
        ascending: bool,
    ) -> Self
    where
        T: Wire,
    {
        let site = self.site("sort_by", Location::caller());
        let key = Arc::new(key);
        let (of_sample, of_place) = (Arc::clone(&key), Arc::clone(&key));
        self.range_sorted(
            site,
            partitions,
            ascending,
            move |element| of_sample(element),
            move |element, bounds| {
                let key = of_place(element);
                bounds.partition_point(|bound| *bound < key)
            },
            // One call of the user's function for each element, not one for each comparison.
            move |elements| {
                if ascending {
                    elements.sort_by_cached_key(|element| key(element));
                } else {
                    elements.sort_by_cached_key(|element| Reverse(key(element)));
                }
            },
        )
    }

    /// Sorts by a key that `key` makes for the sample only: `place` says between which bounds an element lies, `sort` is
    /// stable.
    pub(crate) fn range_sorted<K: Wire + Ord>(
        &self,
        site: Site,
        targets: usize,
        ascending: bool,
        key: impl Fn(&T) -> K + Function,
        place: impl Fn(&T, &[K]) -> usize + Function,
        sort: impl Fn(&mut Vec<T>) + Function,
    ) -> Self
    where
        T: Wire,
    {
        let bounds = Arc::new(OnceLock::new());
        let sampled = Arc::new(Sampled::new(self.node(), targets, site, key, Arc::clone(&bounds)));
        let exchange = Exchange::new(sampled, targets, site, move |mut up: Pull<T>, _| {
            // With one target there was no need for a sample.
            let bounds = bounds.get().map_or(&[][..], Vec::as_slice);
            let mut placed: Vec<Vec<T>> = (0..targets).map(|_| Vec::new()).collect();
            each_owned(&mut up, |element| {
                let share = place(&element, bounds);
                placed[if ascending { share } else { targets - 1 - share }].push(element);
                Ok(())
            })?;
            Ok(placed)
        });
        self.then(Shuffled::one(exchange, move |incoming, _| {
            let mut elements = incoming.into_records()?;
            sort(&mut elements);
            Ok(elements)
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::parallelize::Parallelize;
    use super::super::shuffle_tests::by_partition;
    use super::super::tests::job;
    use super::*;

    #[test]
    fn partitions_are_of_about_the_same_size() {
        // What rises in each partition, and one partition that is much larger than the other.
        let parts = vec![(0..20_000u32).collect::<Vec<_>>(), (0..100).map(|n| n * 200).collect()];
        let parts = parts.into_iter().map(Arc::new).collect();
        let rdd = Rdd::new(Parallelize::of(parts), &job(2)).sort_by_into(4, |n| *n, true);
        let sizes: Vec<usize> = by_partition(&rdd).iter().map(Vec::len).collect();
        assert!(sizes.iter().all(|size| (4_000..6_000).contains(size)), "{sizes:?}");
    }

    #[test]
    fn what_is_before_a_sort_is_computed_once() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let rdd = Rdd::parallelize(&job(2), (0..100).collect::<Vec<u32>>(), 3).map(move |n| {
            counted.fetch_add(1, Ordering::Relaxed);
            n
        });
        assert_eq!(rdd.sort_by(|n| *n, false).first().unwrap(), 99);
        assert_eq!(calls.load(Ordering::Relaxed), 100);
    }

    #[test]
    fn equal_keys_stay_together_in_their_order() {
        let rdd = Rdd::parallelize(&job(2), (0..300u32).collect(), 3);
        for ascending in [true, false] {
            let parts = by_partition(&rdd.sort_by_into(3, |n| n % 2, ascending));
            let runs: Vec<&[u32]> =
                parts.iter().flat_map(|part| part.chunk_by(|a, b| a % 2 == b % 2)).collect();
            assert_eq!(runs.len(), 2, "each key in one run: {parts:?}");
            assert_eq!(runs[0][0] % 2, u32::from(!ascending));
            assert!(runs.iter().all(|run| run.is_sorted()), "{parts:?}");
        }
    }
}

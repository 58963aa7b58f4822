//! `try_map` and `try_flat_map`: as `map` and `flat_map`, with functions that may fail.

use std::panic::Location;
use std::sync::Arc;

use super::Rdd;
use super::flat_map::FlatMapTo;
use super::node::Narrow;
use crate::data::Data;
use crate::words::{BoxError, Error, Result};

impl<T> Rdd<T> {
    /// As [`map`](Self::map), for a function that may fail.
    ///
    /// An error fails the task, which runs again from lineage; a [`tidemill::Error`](crate::Error) for which trying
    /// again cannot help ends it at once.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let numbers = ssc.parallelize(vec!["1", "2", "3"], 2).try_map(|text| Ok(text.parse::<u32>()?));
    /// assert_eq!(numbers.collect()?, [1, 2, 3]);
    ///
    /// let numbers = ssc.parallelize(vec!["1", "two", "3"], 2).try_map(|text| Ok(text.parse::<u32>()?));
    /// assert!(numbers.collect().unwrap_err().chain().ends_with("invalid digit found in string"));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn try_map<U: Data>(&self, f: impl Fn(T) -> Result<U, BoxError> + Send + Sync + 'static) -> Rdd<U>
    where
        T: Data,
    {
        let site = self.site("try_map", Location::caller());
        let each = move |element: T, out: &mut Vec<U>| {
            out.push(f(element).map_err(Error::from_user)?);
            Ok(())
        };
        self.then(Narrow::new(self.node(), site, FlatMapTo(Arc::new(each))))
    }

    /// As [`flat_map`](Self::flat_map), for a function that may fail; an error does as in [`try_map`](Self::try_map).
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let lines = ssc.parallelize(vec!["1 2", "3"], 2);
    /// let numbers = lines.try_flat_map(|line| {
    ///     let numbers: Result<Vec<u32>, _> = line.split(' ').map(str::parse).collect();
    ///     Ok(numbers?)
    /// });
    /// assert_eq!(numbers.collect()?, [1, 2, 3]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn try_flat_map<I>(
        &self,
        f: impl Fn(T) -> Result<I, BoxError> + Send + Sync + 'static,
    ) -> Rdd<I::Item>
    where
        T: Data,
        I: IntoIterator<Item: Data>,
    {
        let site = self.site("try_flat_map", Location::caller());
        let each = move |element: T, out: &mut Vec<I::Item>| {
            out.extend(f(element).map_err(Error::from_user)?);
            Ok(())
        };
        self.then(Narrow::new(self.node(), site, FlatMapTo(Arc::new(each))))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::rdd::tests::{MAX_FAILURES, job, together};
    use crate::words::Retry;

    fn numbers(upto: i32, partitions: usize) -> Rdd<i32> {
        Rdd::parallelize(&job(2), (0..upto).collect(), partitions)
    }

    #[test]
    fn an_error_names_operator_line_batch_partition_and_try() {
        let line = line!() + 1;
        let failing = numbers(10, 5).try_map(|n| if n == 6 { Err(format!("no {n}").into()) } else { Ok(n) });
        let error = failing.map(|n| n + 1).collect().unwrap_err();
        let Error::Task { operator, site, batch, partition, partitions, attempt, source } = error else {
            panic!("{error:?}");
        };
        assert_eq!((operator, site.line()), ("try_map", line));
        assert!(site.file().ends_with("try_map.rs"), "{site}");
        assert_eq!((batch, partition, partitions), (crate::rdd::tests::BATCH, 3, 5));
        assert_eq!(attempt, MAX_FAILURES);
        assert_eq!(Error::from_user(source).chain(), "a user function failed: no 6");
    }

    #[test]
    fn a_task_that_fails_once_gives_the_same_result() {
        for panics in [false, true] {
            let tries = AtomicU32::new(0);
            let once = move |n: i32| {
                if n == 1_500 && tries.fetch_add(1, Ordering::Relaxed) == 0 {
                    assert!(!panics, "once");
                    return Err("once".into());
                }
                Ok([n, -n])
            };
            let expected: Vec<i32> = (0..2_000).flat_map(|n| [n, -n]).collect();
            assert_eq!(numbers(2_000, 3).try_flat_map(once).collect().unwrap(), expected);
        }
    }

    #[test]
    fn a_task_that_always_fails_says_what_failed_first() {
        let tries = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&tries);
        let failing = numbers(1, 1).try_map(move |_| {
            Err::<i32, BoxError>(format!("try {}", counted.fetch_add(1, Ordering::Relaxed) + 1).into())
        });
        let text = failing.count().unwrap_err().chain();
        assert!(text.ends_with("a user function failed: try 1"), "{text}");
        assert_eq!(tries.load(Ordering::Relaxed), MAX_FAILURES);
    }

    #[test]
    fn an_error_for_which_trying_again_cannot_help_is_tried_once() {
        let tries = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&tries);
        let failing = numbers(1, 1).try_map(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Err::<i32, BoxError>(Error::new("a wrong password").into())
        });
        let error = failing.count().unwrap_err();
        assert_eq!(error.retry(), Retry::Never);
        assert!(error.chain().ends_with("try 1: a wrong password"), "{}", error.chain());
        assert_eq!(tries.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn an_action_inside_a_task_is_refused() {
        let other = numbers(3, 1);
        let text = numbers(3, 1).try_map(move |_| Ok(other.count()?)).collect().unwrap_err().chain();
        assert!(text.contains("try 1: `count` was called inside a task"), "{text}");
    }

    #[test]
    fn what_a_consumer_leaves_is_not_lent_again() {
        // `is_empty` looks at a chunk without draining it, and each element gives more than one chunk.
        let many = numbers(3, 1).try_flat_map(|n| Ok(vec![n; 600]));
        let task = crate::rdd::tests::task(0);
        let mut part = many.node().open(0, &task).unwrap();
        let mut seen = Vec::new();
        // A part that lends again never ends: the pulls are counted.
        for _ in 0..20 {
            let Some(chunk) = part.next().unwrap() else { break };
            seen.extend_from_slice(chunk.as_slice());
        }
        assert_eq!(seen, [vec![0; 600], vec![1; 600], vec![2; 600]].concat());
    }

    #[test]
    fn an_error_on_one_member_is_everybodys() {
        let texts = together(2, |job| {
            let rdd = Rdd::parallelize(job, vec![1, 2, 3, 4], 2);
            let failing = rdd.try_map(|n| if n == 4 { Err(Error::new("four").into()) } else { Ok(n) });
            failing.collect().unwrap_err().chain()
        });
        assert!(texts.iter().all(|text| text.ends_with("four")), "{texts:?}");
    }
}

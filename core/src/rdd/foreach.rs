//! `foreach`, `try_foreach` and `foreach_partition`: effects, where the elements are.

use std::panic::Location;

use super::Rdd;
use super::elements::Elements;
use crate::data::Data;
use crate::words::{BoxError, Error, Result};

impl<T> Rdd<T> {
    /// Calls `f` with each element, in tasks, on the member that has the element.
    ///
    /// A task that fails runs again: what it did to the outside before is done twice.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let sum = AtomicU32::new(0);
    /// ssc.parallelize(vec![1, 2, 3], 2).foreach(|n| {
    ///     sum.fetch_add(n, Ordering::Relaxed);
    /// })?;
    /// assert_eq!(sum.into_inner(), 6);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first failure of a task.
    #[track_caller]
    pub fn foreach(&self, f: impl Fn(T) + Sync) -> Result<()>
    where
        T: Data,
    {
        let site = self.site("foreach", Location::caller());
        let done = self.run("foreach", site, |up| {
            up.for_each(|element| {
                f(element);
                Ok(())
            })
        });
        done.map(drop)
    }

    /// As [`foreach`](Self::foreach), for a function that may fail; an error does as in [`try_map`](Self::try_map).
    ///
    /// # Errors
    /// The first failure of a task.
    #[track_caller]
    pub fn try_foreach(&self, f: impl Fn(T) -> Result<(), BoxError> + Sync) -> Result<()>
    where
        T: Data,
    {
        let site = self.site("try_foreach", Location::caller());
        self.run("try_foreach", site, |up| up.for_each(|element| f(element).map_err(Error::from_user)))
            .map(drop)
    }

    /// Calls `f` with each partition, in tasks: one connection for many elements.
    ///
    /// What `f` does not take is not computed. A task that fails runs again, with what it did before done twice;
    /// [`Elements::task`] says which try it is, and waits for async clients.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let longest = std::sync::Mutex::new(0);
    /// ssc.parallelize(vec![1, 2, 3], 2).foreach_partition(|numbers| {
    ///     let count = numbers.count();
    ///     let mut longest = longest.lock().map_err(|_| "poisoned")?;
    ///     *longest = count.max(*longest);
    ///     Ok(())
    /// })?;
    /// assert_eq!(longest.into_inner().unwrap(), 2);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first failure of a task.
    #[doc(alias = "foreachPartition")]
    #[track_caller]
    pub fn foreach_partition(&self, f: impl Fn(Elements<T>) -> Result<(), BoxError> + Sync) -> Result<()>
    where
        T: Data,
    {
        let site = self.site("foreach_partition", Location::caller());
        let done = self.run("foreach_partition", site, |up| {
            let (elements, failure) = Elements::new(up);
            failure.first(|| f(elements))?.map_err(Error::from_user)
        });
        done.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::*;
    use crate::rdd::tests::{MAX_FAILURES, job, together};

    fn numbers(upto: u32, partitions: usize) -> Rdd<u32> {
        Rdd::parallelize(&job(2), (0..upto).collect(), partitions)
    }

    #[test]
    fn each_member_does_its_own_elements() {
        let sum = AtomicU32::new(0);
        let add = |n: u32| {
            sum.fetch_add(n, Ordering::Relaxed);
        };
        let results = together(3, |job| Rdd::parallelize(job, (0..100).collect(), 5).foreach(add));
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert_eq!(sum.into_inner(), 4_950);
    }

    #[test]
    fn an_error_of_the_function_names_the_action() {
        let failing = numbers(3, 1).try_foreach(|n| if n == 2 { Err("two".into()) } else { Ok(()) });
        let text = failing.unwrap_err().chain();
        assert!(text.starts_with("try_foreach (") && text.ends_with("a user function failed: two"), "{text}");
    }

    #[test]
    fn a_source_that_fails_is_the_reason_and_not_what_came_of_it() {
        let tries = AtomicU32::new(0);
        let failing = numbers(1_000, 1).try_map(|n| if n == 600 { Err("six hundred".into()) } else { Ok(n) });
        let wants_all = |elements: Elements<u32>| {
            tries.fetch_add(1, Ordering::Relaxed);
            if elements.count() == 1_000 { Ok(()) } else { Err("too few".into()) }
        };
        let text = failing.foreach_partition(wants_all).unwrap_err().chain();
        assert!(text.starts_with("try_map (") && text.ends_with("six hundred"), "{text}");
        assert_eq!(tries.into_inner(), MAX_FAILURES);
    }

    #[test]
    fn a_partition_knows_its_task() {
        let failing = numbers(4, 2).foreach_partition(|elements| {
            let task = elements.task().clone();
            let waited = task.wait(async { elements.sum::<u32>() })?;
            Err(format!(
                "{waited} in partition {} of {}, try {}",
                task.partition(),
                task.partitions(),
                task.attempt()
            )
            .into())
        });
        let text = failing.unwrap_err().chain();
        assert!(
            text.ends_with("1 in partition 0 of 2, try 1") || text.ends_with("5 in partition 1 of 2, try 1"),
            "{text}"
        );
    }

    #[test]
    fn a_failed_partition_runs_again_and_the_others_do_not() {
        let (calls, failed) = (AtomicU32::new(0), AtomicBool::new(false));
        let once = |elements: Elements<u32>| {
            calls.fetch_add(1, Ordering::Relaxed);
            if elements.sum::<u32>() == 1 && !failed.swap(true, Ordering::Relaxed) {
                return Err("once".into());
            }
            Ok(())
        };
        numbers(8, 4).foreach_partition(once).unwrap();
        assert_eq!(calls.into_inner(), 5);
    }

    #[test]
    fn a_sibling_of_a_task_that_failed_for_good_is_cancelled() {
        // One thread: whichever begins first has failed for good before any other begins.
        let (job, begun) = (job(1), AtomicU32::new(0));
        let hopeless = Rdd::parallelize(&job, (0..8u32).collect(), 8).try_foreach(|n| {
            begun.fetch_add(1, Ordering::Relaxed);
            Err(Error::new(format!("number {n}")).into())
        });
        let text = hopeless.unwrap_err().chain();
        assert!(text.contains("of 8") && text.contains("try 1: number"), "{text}");
        assert_eq!(begun.into_inner(), 1, "the others are cancelled before their first element");
    }

    #[test]
    fn a_cancelled_job_does_nothing_more() {
        let job = job(1);
        job.cancelled.store(true, Ordering::Relaxed);
        let error = Rdd::parallelize(&job, vec![1], 1).foreach(|_| panic!("never")).unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{error:?}");
    }
}

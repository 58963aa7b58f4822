//! `on_driver`: an effect that is done once, whatever the number of members.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};

use super::wire::Many;
use super::{Job, Rdd};
use crate::data::{Wire, check_round_trip};
use crate::runtime::run_in_task;
use crate::words::{BoxError, Error, Result, panic_text};

impl<T> Rdd<T> {
    /// Runs `f` on member 0 alone; all members get what it returned, or why it failed.
    ///
    /// It runs once: nothing tries it again. It cannot call an action, which all members would have to call together: call
    /// it before, and use its result.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let counts = ssc.parallelize(vec![1, 2, 3], 2);
    /// let total = counts.count()?;
    /// // Every member is here, with the same total; one of them writes it down.
    /// let written = counts.on_driver(|| Ok(format!("{total} records")))?;
    /// assert_eq!(written, "3 records");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// What `f` returned, or its panic; on other members as text. [`Error::InsideTask`] inside a task, and
    /// where `f` calls an action.
    #[track_caller]
    pub fn on_driver<R: Wire>(&self, f: impl FnOnce() -> Result<R, BoxError>) -> Result<R> {
        let site = self.site("on_driver", Location::caller());
        Job::outside_tasks("on_driver")?;
        let job = self.job();
        let gathered = job.all_gather(site, || {
            if job.engine.me() != 0 {
                return Ok(Many(Vec::new()));
            }
            // As a task, so that an action inside is refused: the other members would not enter it. A panic too is
            // everybody's: they wait for this one.
            let result = run_in_task(|| {
                let outcome = catch_unwind(AssertUnwindSafe(f));
                outcome.map_err(|panic| Error::Panic(panic_text(&*panic)))?.map_err(Error::from_user)
            })?;
            // Also where nobody else reads it: a type that cannot travel shows on the first local run.
            check_round_trip(&result)?;
            Ok(Many(vec![result]))
        })?;
        let mut results = gathered.into_iter().flat_map(|Many(of_member)| of_member);
        results.next().ok_or_else(|| Error::new("member 0 gave no result to `on_driver`; please report this"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::rdd::tests::{job, together};

    #[test]
    fn runs_once_and_all_members_have_its_result() {
        let calls = AtomicU32::new(0);
        let results = together(3, |job| {
            let rdd = Rdd::parallelize(job, vec![1, 2, 3], 3);
            rdd.on_driver(|| Ok(calls.fetch_add(1, Ordering::Relaxed) + 7)).unwrap()
        });
        assert_eq!((results, calls.into_inner()), (vec![7, 7, 7], 1));
    }

    #[test]
    fn an_error_and_a_panic_are_everybodys() {
        for panics in [false, true] {
            let texts = together(2, |job| {
                let rdd = Rdd::parallelize(job, vec![1], 1);
                let failed = rdd.on_driver(|| {
                    assert!(!panics, "no disk");
                    Err::<(), _>("no disk".into())
                });
                failed.unwrap_err().chain()
            });
            assert!(texts.iter().all(|text| text.ends_with("no disk")), "{texts:?}");
        }
    }

    #[test]
    fn an_action_inside_is_refused_on_one_member_and_on_several() {
        let count = |job: &std::sync::Arc<Job>| {
            let rdd = Rdd::parallelize(job, vec![1, 2], 2);
            rdd.on_driver(|| Ok(rdd.count()?)).unwrap_err().chain()
        };
        let mut texts = together(2, count);
        texts.push(count(&job(1)));
        assert!(texts.iter().all(|text| text.contains("`count` was called inside a task")), "{texts:?}");
    }

    #[test]
    fn is_refused_inside_a_task() {
        let rdd = Rdd::parallelize(&job(1), vec![1], 1);
        let inner = rdd.clone();
        let text = rdd.try_foreach(move |_| Ok(inner.on_driver(|| Ok(()))?)).unwrap_err().chain();
        assert!(text.contains("`on_driver` was called inside a task"), "{text}");
    }
}

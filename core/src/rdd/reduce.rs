//! `reduce`: one value of all.

use std::panic::Location;

use super::Rdd;
use super::wire::Many;
use crate::data::Wire;
use crate::words::Result;

impl<T> Rdd<T> {
    /// One value of all elements, `None` where there is none.
    ///
    /// `f` must be associative: partitions are reduced by themselves, then their values, both in order. So it need not
    /// be commutative, other than in Spark. Spark's `reduce` of an empty Rdd is an error; here it is `None`.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// assert_eq!(ssc.parallelize(vec![1, 2, 3], 2).reduce(|a, b| a + b)?, Some(6));
    /// assert_eq!(ssc.parallelize(Vec::<i32>::new(), 2).reduce(|a, b| a + b)?, None);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first failure of a task.
    #[track_caller]
    pub fn reduce(&self, f: impl Fn(T, T) -> T + Sync) -> Result<Option<T>>
    where
        T: Wire,
    {
        let site = self.site("reduce", Location::caller());
        let parts = self.run("reduce", site, |up| Ok(Many(Vec::from_iter(up.reduce(&f)?))))?;
        Ok(parts.into_iter().flat_map(|Many(part)| part).reduce(f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::tests::{job, same_on_all};

    #[test]
    fn keeps_the_order_of_elements_and_passes_over_empty_partitions() {
        let text = same_on_all(|job| {
            let letters: Vec<String> = ('a'..='z').map(String::from).collect();
            let letters = Rdd::parallelize(job, letters, 6);
            letters.filter(|l| l.as_str() < "f" || l.as_str() > "k").reduce(|a, b| a + &b).unwrap()
        });
        assert_eq!(text.as_deref(), Some("abcdelmnopqrstuvwxyz"));
    }

    #[test]
    fn of_nothing_is_none() {
        assert_eq!(Rdd::parallelize(&job(1), Vec::<i32>::new(), 3).reduce(|a, b| a + b).unwrap(), None);
    }
}

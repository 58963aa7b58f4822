//! `try_filter`: as `filter`, with a function that may fail.

use std::panic::Location;
use std::sync::Arc;

use super::node::{Narrow, Operator, Part, Pull};
use super::{Function, Rdd};
use crate::data::{Chunk, Chunks, Data};
use crate::words::{BoxError, Error, Result};

impl<T> Rdd<T> {
    /// As [`filter`](Self::filter), for a function that may fail; an error does as in [`try_map`](Self::try_map).
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let texts = ssc.parallelize(vec!["1", "2", "30"], 2);
    /// assert_eq!(texts.try_filter(|text| Ok(text.parse::<u32>()? > 1)).count()?, 2);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn try_filter(&self, f: impl Fn(&T) -> Result<bool, BoxError> + Send + Sync + 'static) -> Rdd<T>
    where
        T: Data,
    {
        let site = self.site("try_filter", Location::caller());
        self.then(Narrow::new(self.node(), site, TryFilter(Arc::new(f))))
    }
}

struct TryFilter<F>(Arc<F>);

struct TryFiltered<T, F> {
    up: Pull<T>,
    f: Arc<F>,
    out: Vec<T>,
}

impl<T: Data, F: Fn(&T) -> Result<bool, BoxError> + Function> Operator<T, T> for TryFilter<F> {
    fn open(&self, up: Pull<T>, _partition: usize) -> Part<T> {
        Box::new(TryFiltered { up, f: Arc::clone(&self.0), out: Vec::new() })
    }

    fn keeps_keys(&self) -> bool {
        true
    }
}

impl<T: Data, F: Fn(&T) -> Result<bool, BoxError>> Chunks<T> for TryFiltered<T, F> {
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        self.out.clear();
        match self.up.next()? {
            None => return Ok(None),
            Some(Chunk::Ref(slice)) => {
                for element in slice {
                    if (self.f)(element).map_err(Error::from_user)? {
                        self.out.push(element.clone());
                    }
                }
            }
            Some(Chunk::Own(vec)) => {
                for element in vec.drain(..) {
                    if (self.f)(&element).map_err(Error::from_user)? {
                        self.out.push(element);
                    }
                }
            }
        }
        Ok(Some(Chunk::Own(&mut self.out)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::tests::job;

    #[test]
    fn keeps_the_same_of_lent_and_of_owned_elements() {
        let numbers = Rdd::parallelize(&job(2), (0..1_000).collect::<Vec<i32>>(), 3);
        let expected: Vec<i32> = (0..1_000).filter(|n| n % 3 == 0).collect();
        assert_eq!(numbers.try_filter(|n| Ok(n % 3 == 0)).collect().unwrap(), expected);
        assert_eq!(numbers.map(|n| n).try_filter(|n| Ok(n % 3 == 0)).collect().unwrap(), expected);
    }

    #[test]
    fn an_error_fails_the_task() {
        let texts = Rdd::parallelize(&job(1), vec!["1", "x"], 1);
        for texts in [texts.clone(), texts.map(|text| text)] {
            let text = texts.try_filter(|text| Ok(text.parse::<u8>()? > 0)).count().unwrap_err().chain();
            assert!(
                text.starts_with("try_filter (") && text.ends_with("invalid digit found in string"),
                "{text}"
            );
        }
    }
}

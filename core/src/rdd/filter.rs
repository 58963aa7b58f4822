//! `filter`: those for which a function is true.

use std::panic::Location;
use std::sync::Arc;

use super::node::{Narrow, Operator, Part, Pull};
use super::{Function, Rdd};
use crate::data::{Chunk, Chunks, Data};
use crate::words::Result;

impl<T> Rdd<T> {
    /// Those for which `f` is true, in the same order and partition.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let even = ssc.parallelize(vec![1, 2, 3, 4], 2).filter(|n| n % 2 == 0);
    /// assert_eq!(even.collect()?, [2, 4]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn filter(&self, f: impl Fn(&T) -> bool + Send + Sync + 'static) -> Rdd<T>
    where
        T: Data,
    {
        let site = self.site("filter", Location::caller());
        self.then(Narrow::new(self.node(), site, Filter(Arc::new(f))))
    }
}

struct Filter<F>(Arc<F>);

struct Filtered<T, F> {
    up: Pull<T>,
    f: Arc<F>,
    out: Vec<T>,
}

impl<T: Data, F: Fn(&T) -> bool + Function> Operator<T, T> for Filter<F> {
    fn open(&self, up: Pull<T>, _partition: usize) -> Part<T> {
        Box::new(Filtered { up, f: Arc::clone(&self.0), out: Vec::new() })
    }

    fn keeps_keys(&self) -> bool {
        true
    }
}

impl<T: Data, F: Fn(&T) -> bool> Chunks<T> for Filtered<T, F> {
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        self.out.clear();
        match self.up.next()? {
            None => return Ok(None),
            Some(Chunk::Ref(slice)) => self.out.extend(slice.iter().filter(|x| (self.f)(x)).cloned()),
            Some(Chunk::Own(vec)) => self.out.extend(vec.drain(..).filter(|x| (self.f)(x))),
        }
        Ok(Some(Chunk::Own(&mut self.out)))
    }
}

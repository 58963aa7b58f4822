//! `map`: one element for each.

use std::panic::Location;
use std::sync::Arc;

use super::node::{Narrow, Operator, Part, Pull};
use super::wide::wide;
use super::{Function, Rdd};
use crate::data::{Chunk, Chunks, Data};
use crate::words::Result;

impl<T> Rdd<T> {
    /// One element for each, in the same order and partition.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let doubled = ssc.parallelize(vec![1, 2, 3], 2).map(|n| n * 2);
    /// assert_eq!(doubled.collect()?, [2, 4, 6]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn map<U: Data>(&self, f: impl Fn(T) -> U + Send + Sync + 'static) -> Rdd<U>
    where
        T: Data,
    {
        let site = self.site("map", Location::caller());
        self.then(Narrow::new(self.node(), site, Map(Arc::new(f))))
    }
}

struct Map<F>(Arc<F>);

struct Mapped<T, U, F> {
    up: Pull<T>,
    f: Arc<F>,
    out: Vec<U>,
}

impl<T: Data, U: Data, F: Fn(T) -> U + Function> Operator<T, U> for Map<F> {
    fn open(&self, up: Pull<T>, _partition: usize) -> Part<U> {
        Box::new(Mapped { up, f: Arc::clone(&self.0), out: Vec::new() })
    }
}

impl<T: Data, U, F: Fn(T) -> U> Chunks<U> for Mapped<T, U, F> {
    fn next(&mut self) -> Result<Option<Chunk<'_, U>>> {
        self.out.clear();
        match self.up.next()? {
            None => return Ok(None),
            Some(Chunk::Ref(slice)) => {
                wide::<(T, U), _>(|| self.out.extend(slice.iter().cloned().map(&*self.f)));
            }
            Some(Chunk::Own(vec)) => wide::<(T, U), _>(|| self.out.extend(vec.drain(..).map(&*self.f))),
        }
        Ok(Some(Chunk::Own(&mut self.out)))
    }
}

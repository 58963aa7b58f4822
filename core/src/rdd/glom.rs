//! `glom`: each partition as one list.

use std::panic::Location;

use super::Rdd;
use super::node::{Narrow, Operator, Part, Pull};
use crate::data::{Chunk, Chunks, Data};
use crate::words::Result;

impl<T> Rdd<T> {
    /// Each partition as one `Vec`; an empty partition gives an empty one.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// assert_eq!(ssc.parallelize(vec![1, 2, 3], 2).glom().collect()?, [vec![1], vec![2, 3]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn glom(&self) -> Rdd<Vec<T>>
    where
        T: Data,
    {
        let site = self.site("glom", Location::caller());
        self.then(Narrow::new(self.node(), site, Glom))
    }
}

struct Glom;

struct Glommed<T> {
    up: Pull<T>,
    done: bool,
    out: Vec<Vec<T>>,
}

impl<T: Data> Operator<T, Vec<T>> for Glom {
    fn open(&self, up: Pull<T>, _partition: usize) -> Part<Vec<T>> {
        Box::new(Glommed { up, done: false, out: Vec::new() })
    }
}

impl<T: Data> Chunks<Vec<T>> for Glommed<T> {
    fn next(&mut self) -> Result<Option<Chunk<'_, Vec<T>>>> {
        if self.done {
            return Ok(None);
        }
        let mut all = Vec::new();
        while let Some(chunk) = self.up.next()? {
            chunk.append_to(&mut all);
        }
        self.done = true;
        self.out.push(all);
        Ok(Some(Chunk::Own(&mut self.out)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::tests::job;

    #[test]
    fn an_empty_partition_gives_an_empty_list() {
        let numbers = Rdd::parallelize(&job(2), vec![1, 2], 3);
        assert_eq!(numbers.glom().collect().unwrap(), [vec![], vec![1], vec![2]]);
        assert_eq!(numbers.glom().count().unwrap(), 3);
    }

    #[test]
    fn a_long_partition_is_one_list() {
        let numbers = Rdd::parallelize(&job(2), (0..5_000).collect::<Vec<i32>>(), 1);
        assert_eq!(numbers.map(|n| n).glom().collect().unwrap(), [(0..5_000).collect::<Vec<i32>>()]);
    }
}

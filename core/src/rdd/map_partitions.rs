//! `map_partitions` and `map_partitions_with_index`: a function for a whole partition.

use std::iter::Fuse;
use std::panic::Location;
use std::sync::Arc;

use super::elements::{Elements, Failure};
use super::node::{Narrow, Operator, Part, Pull};
use super::{Function, Rdd};
use crate::data::{Chunk, Chunks, Data};
use crate::runtime::{Site, TaskContext};
use crate::words::Result;

/// How many elements are taken from the user's iterator at once.
const OUT: usize = 256;

impl<T> Rdd<T> {
    /// What `f` makes of each partition: for what is prepared once and used for many elements.
    ///
    /// The iterator that it returns is pulled while the partition is computed: it holds no more than it keeps itself.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let sums = ssc.parallelize(vec![1, 2, 3, 4], 2).map_partitions(|numbers| [numbers.sum::<i32>()]);
    /// assert_eq!(sums.collect()?, [3, 7]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "mapPartitions")]
    #[track_caller]
    pub fn map_partitions<I>(&self, f: impl Fn(Elements<T>) -> I + Send + Sync + 'static) -> Rdd<I::Item>
    where
        T: Data,
        I: IntoIterator<Item: Data, IntoIter: 'static>,
    {
        let site = self.site("map_partitions", Location::caller());
        let f = move |_, elements: Elements<T>| f(elements).into_iter();
        self.then(Narrow::new(self.node(), site, MapPartitions { f: Arc::new(f), site }))
    }

    /// As [`map_partitions`](Self::map_partitions), with the partition's number from 0.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let letters = ssc.parallelize(vec!['a', 'b', 'c'], 2);
    /// let placed = letters.map_partitions_with_index(|partition, letters| letters.map(move |letter| (partition, letter)));
    /// assert_eq!(placed.collect()?, [(0, 'a'), (1, 'b'), (1, 'c')]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "mapPartitionsWithIndex")]
    #[track_caller]
    pub fn map_partitions_with_index<I>(
        &self,
        f: impl Fn(usize, Elements<T>) -> I + Send + Sync + 'static,
    ) -> Rdd<I::Item>
    where
        T: Data,
        I: IntoIterator<Item: Data, IntoIter: 'static>,
    {
        let site = self.site("map_partitions_with_index", Location::caller());
        let f = move |partition, elements: Elements<T>| f(partition, elements).into_iter();
        self.then(Narrow::new(self.node(), site, MapPartitions { f: Arc::new(f), site }))
    }
}

struct MapPartitions<F> {
    f: Arc<F>,
    site: Site,
}

struct MappedPartition<T, F, I: Iterator> {
    f: Arc<F>,
    partition: usize,
    // Until the first pull, so that the function runs where a failure is caught and named.
    elements: Option<Elements<T>>,
    made: Option<Fuse<I>>,
    failure: Failure,
    task: TaskContext,
    site: Site,
    out: Vec<I::Item>,
}

impl<T, I, F> Operator<T, I::Item> for MapPartitions<F>
where
    T: Data,
    I: Iterator<Item: Data> + 'static,
    F: Fn(usize, Elements<T>) -> I + Function,
{
    fn open(&self, up: Pull<T>, partition: usize) -> Part<I::Item> {
        let task = up.task().clone();
        let (elements, failure) = Elements::new(up);
        Box::new(MappedPartition::<T, F, I> {
            f: Arc::clone(&self.f),
            partition,
            elements: Some(elements),
            made: None,
            failure,
            task,
            site: self.site,
            out: Vec::new(),
        })
    }
}

impl<T: Data, I: Iterator, F: Fn(usize, Elements<T>) -> I> Chunks<I::Item> for MappedPartition<T, F, I> {
    fn next(&mut self) -> Result<Option<Chunk<'_, I::Item>>> {
        self.out.clear();
        // Asked here too: what the function made may go on without pulling.
        self.task.check()?;
        self.task.at(self.site);
        self.failure.clone().first(|| {
            if let Some(elements) = self.elements.take() {
                self.made = Some((self.f)(self.partition, elements).fuse());
            }
            if let Some(made) = &mut self.made {
                self.out.extend(made.take(OUT));
            }
        })?;
        Ok((!self.out.is_empty()).then_some(Chunk::Own(&mut self.out)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::rdd::tests::job;
    use crate::words::{BoxError, Error};

    fn numbers(upto: i32, partitions: usize) -> Rdd<i32> {
        Rdd::parallelize(&job(2), (0..upto).collect(), partitions)
    }

    #[test]
    fn is_called_once_a_partition_and_also_for_an_empty_one() {
        let lengths = numbers(2, 3).map_partitions_with_index(|partition, all| [(partition, all.count())]);
        assert_eq!(lengths.collect().unwrap(), [(0, 0), (1, 1), (2, 1)]);
    }

    #[test]
    fn its_iterator_is_pulled_only_as_far_as_wanted() {
        let endless = numbers(2, 2).map_partitions(|mut all| {
            let first = all.next().unwrap();
            std::iter::repeat(first)
        });
        assert_eq!(endless.take(700).unwrap(), vec![0; 700]);

        let pulled = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&pulled);
        let before = numbers(100_000, 1).map(move |n| {
            counted.fetch_add(1, Ordering::Relaxed);
            n
        });
        assert_eq!(before.map_partitions(|all| all.map(|n| n * 2)).take(2).unwrap(), [0, 2]);
        assert!(pulled.load(Ordering::Relaxed) < 1_000, "{pulled:?}");
    }

    #[test]
    fn a_source_that_fails_is_the_reason_whatever_the_function_makes_of_the_first_part() {
        let failing = || {
            numbers(1_000, 1).try_map(|n| {
                if n == 700 { Err::<i32, BoxError>(Error::new("seven hundred").into()) } else { Ok(n) }
            })
        };
        let early = failing().map_partitions(|all| [all.count()]).collect().unwrap_err().chain();
        assert!(early.starts_with("try_map (") && early.ends_with("seven hundred"), "{early}");
        let lazy =
            failing().map_partitions(|all| all.chain(std::iter::repeat(0))).count().unwrap_err().chain();
        assert!(lazy.ends_with("seven hundred"), "{lazy}");
        let panics = failing().map_partitions(|all| {
            assert_eq!(all.count(), 1_000);
            [1]
        });
        let panics = panics.count().unwrap_err().chain();
        assert!(panics.ends_with("try 1: seven hundred"), "{panics}");
    }

    #[test]
    fn a_panic_of_the_iterator_names_this_operator() {
        let late = numbers(1_000, 1).map_partitions(|all| all.inspect(|n| assert!(*n < 900, "nine hundred")));
        let text = late.count().unwrap_err().chain();
        assert!(text.starts_with("map_partitions (") && text.ends_with("panic: nine hundred"), "{text}");
        let also_behind_its_input = numbers(1_000, 1).map(|n| n).map_partitions(|all| {
            let all: Vec<i32> = all.collect();
            all.into_iter().inspect(|n| assert!(*n < 900, "nine hundred"))
        });
        let text = also_behind_its_input.map(|n| n).count().unwrap_err().chain();
        assert!(text.starts_with("map_partitions ("), "{text}");
    }
}

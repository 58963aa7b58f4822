//! `zip_with_index`: each element with its place.

use std::panic::Location;
use std::sync::{Arc, OnceLock};

use super::node::{Node, Part, Pull};
use super::{Job, Rdd};
use crate::data::{Chunk, Chunks, Data};
use crate::runtime::{Site, TaskContext};
use crate::words::Result;

impl<T> Rdd<T> {
    /// Each element with its place among all, from 0, in the order of partitions.
    ///
    /// With more than one partition all but the last are counted first: what is before this is computed twice, unless
    /// it is kept.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let letters = ssc.parallelize(vec!['a', 'b', 'c'], 2);
    /// assert_eq!(letters.zip_with_index().collect()?, [('a', 0), ('b', 1), ('c', 2)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "zipWithIndex")]
    #[track_caller]
    pub fn zip_with_index(&self) -> Rdd<(T, u64)>
    where
        T: Data,
    {
        let site = self.site("zip_with_index", Location::caller());
        self.then(ZipWithIndex { up: self.node(), site, starts: OnceLock::new() })
    }
}

struct ZipWithIndex<T> {
    up: Arc<dyn Node<T>>,
    site: Site,
    // The place of the first element of each partition.
    starts: OnceLock<Vec<u64>>,
}

impl<T: Data> ZipWithIndex<T> {
    fn count(&self, job: &Arc<Job>) -> Result<()> {
        // Nothing comes behind the last.
        let counted: Vec<usize> = (0..self.up.partitions().saturating_sub(1)).collect();
        let counts = if counted.is_empty() {
            Vec::new()
        } else {
            job.gather(self.site, &*self.up, &counted, |partition, task| {
                Pull::new(self.up.open(partition, task)?, task, self.site).count_rest()
            })?
        };
        let mut starts = vec![0];
        for count in counts {
            starts.push(starts[starts.len() - 1] + count);
        }
        let _ = self.starts.set(starts);
        Ok(())
    }
}

impl<T: Data> Node<(T, u64)> for ZipWithIndex<T> {
    fn partitions(&self) -> usize {
        self.up.partitions()
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        self.up.owner(partition, members)
    }

    fn lane(&self, partition: usize) -> u64 {
        self.up.lane(partition)
    }

    fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        self.up.prepare(job)?;
        let identity = std::ptr::from_ref(self).addr();
        job.prepare_once(identity, || self.starts.get().is_some(), || self.count(job))
    }

    fn open(&self, partition: usize, task: &TaskContext) -> Result<Part<(T, u64)>> {
        let Some(starts) = self.starts.get() else {
            return Err(super::exchange::not_run());
        };
        let up = Pull::new(self.up.open(partition, task)?, task, self.site);
        Ok(Box::new(Zipped { up, next: starts[partition], out: Vec::new() }))
    }
}

struct Zipped<T> {
    up: Pull<T>,
    next: u64,
    out: Vec<(T, u64)>,
}

impl<T: Data> Chunks<(T, u64)> for Zipped<T> {
    fn next(&mut self) -> Result<Option<Chunk<'_, (T, u64)>>> {
        self.out.clear();
        let places = self.next..;
        match self.up.next()? {
            None => return Ok(None),
            Some(Chunk::Ref(slice)) => self.out.extend(slice.iter().cloned().zip(places)),
            Some(Chunk::Own(vec)) => self.out.extend(vec.drain(..).zip(places)),
        }
        self.next += self.out.len() as u64;
        Ok(Some(Chunk::Own(&mut self.out)))
    }

    fn count_rest(&mut self) -> Result<u64> {
        self.up.count_rest()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::rdd::tests::{job, same_on_all};

    #[test]
    fn places_go_on_over_uneven_and_empty_partitions_on_any_number_of_members() {
        let zipped = same_on_all(|job| {
            let numbers = Rdd::parallelize(job, (0..4_000).collect::<Vec<u64>>(), 5);
            numbers.filter(|n| *n < 700 || *n > 2_500).zip_with_index().collect().unwrap()
        });
        let expected: Vec<(u64, u64)> = (0..700).chain(2_501..4_000).zip(0..).collect();
        assert_eq!(zipped, expected);
    }

    #[test]
    fn the_last_partition_is_not_counted_first() {
        let (calls, counted) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let counting = Arc::clone(&calls);
        let numbers = Rdd::parallelize(&job(2), (0..10).collect::<Vec<u32>>(), 1);
        let zipped = numbers.map(move |_| counting.fetch_add(1, Ordering::Relaxed)).zip_with_index();
        assert_eq!(zipped.count().unwrap(), 10);
        assert_eq!(calls.load(Ordering::Relaxed), 10);

        let counting = Arc::clone(&counted);
        let numbers = Rdd::parallelize(&job(2), (0..10).collect::<Vec<u32>>(), 2);
        let zipped = numbers.map(move |_| counting.fetch_add(1, Ordering::Relaxed)).zip_with_index();
        // Once for the first half's count, kept for the second action, and once for each action.
        zipped.collect().unwrap();
        zipped.collect().unwrap();
        assert_eq!(counted.load(Ordering::Relaxed), 5 + 10 + 10);
    }

    #[test]
    fn an_rdd_without_partitions_has_no_places() {
        assert!(Rdd::<i32>::union_all(&job(1), &[]).zip_with_index().is_empty().unwrap());
    }
}

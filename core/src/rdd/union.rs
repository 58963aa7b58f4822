//! `union`: one Rdd behind the other.

use std::sync::Arc;

use super::node::{Node, Part};
use super::{Job, Rdd};
use crate::data::{Data, drawn};
use crate::runtime::TaskContext;
use crate::words::{Error, Result};

impl<T: Data> Rdd<T> {
    /// The elements of both: the partitions of this one, then those of `other`. What is in both comes twice.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let (left, right) = (ssc.parallelize(vec![1, 2], 2), ssc.parallelize(vec![2, 3], 1));
    /// let both = left.union(&right);
    /// assert_eq!(both.collect()?, [1, 2, 2, 3]);
    /// assert_eq!(both.num_partitions(), 3);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn union(&self, other: &Rdd<T>) -> Self {
        Self::union_all(self.job(), &[self.clone(), other.clone()])
    }

    /// The elements of all, in their order; an Rdd without partitions where there is none.
    pub(crate) fn union_all(job: &Arc<Job>, all: &[Rdd<T>]) -> Self {
        Self::union_of(all.iter().map(Rdd::node).collect(), job)
    }
}

impl<T: 'static> Rdd<T> {
    /// The elements of all nodes, in their order.
    pub(crate) fn union_of(parents: Vec<Arc<dyn Node<T>>>, job: &Arc<Job>) -> Self {
        Self::new(Union { parents }, job)
    }
}

struct Union<T> {
    parents: Vec<Arc<dyn Node<T>>>,
}

impl<T> Union<T> {
    /// Whose partition it is, and which.
    fn find(&self, partition: usize) -> Option<(&Arc<dyn Node<T>>, usize)> {
        self.place(partition).map(|(_, parent, partition)| (parent, partition))
    }

    /// The number of the parent too, from 1.
    fn place(&self, mut partition: usize) -> Option<(u64, &Arc<dyn Node<T>>, usize)> {
        for (number, parent) in (1..).zip(&self.parents) {
            if partition < parent.partitions() {
                return Some((number, parent, partition));
            }
            partition -= parent.partitions();
        }
        None
    }
}

impl<T: 'static> Node<T> for Union<T> {
    fn partitions(&self) -> usize {
        self.parents.iter().map(|parent| parent.partitions()).sum()
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        self.find(partition).map_or(0, |(parent, partition)| parent.owner(partition, members))
    }

    fn lane(&self, partition: usize) -> u64 {
        self.place(partition).map_or(0, |(number, parent, partition)| drawn(parent.lane(partition), number))
    }

    fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        self.parents.iter().try_for_each(|parent| parent.prepare(job))
    }

    fn known_count(&self) -> Option<u64> {
        self.parents.iter().map(|parent| parent.known_count()).sum()
    }

    fn open(&self, partition: usize, task: &TaskContext) -> Result<Part<T>> {
        match self.find(partition) {
            Some((parent, partition)) => parent.open(partition, task),
            None => Err(Error::new(format!("a union has no partition {partition}; please report this"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::tests::{job, same_on_all};

    #[test]
    fn the_first_comes_first_on_one_member_and_on_several() {
        let all = same_on_all(|job| {
            let parts: Vec<Rdd<i32>> =
                (0..3).map(|n| Rdd::parallelize(job, (n * 10..n * 10 + 4).collect(), 3)).collect();
            Rdd::union_all(job, &parts).glom().collect().unwrap()
        });
        assert_eq!(all.len(), 9);
        assert_eq!(all.concat(), [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]);
    }

    #[test]
    fn an_rdd_with_itself_comes_twice_and_its_shuffle_runs_once() {
        let counts = Rdd::parallelize(&job(2), vec![(1, 1), (2, 1), (1, 1)], 2).reduce_by_key(|a, b| a + b);
        let mut twice = counts.union(&counts).collect().unwrap();
        twice.sort_unstable();
        assert_eq!(twice, [(1, 2), (1, 2), (2, 1), (2, 1)]);
    }

    #[test]
    fn each_member_computes_its_own_partitions_of_each_parent() {
        // What a shuffle made lies with its owner alone.
        let all = same_on_all(|job| {
            let pairs = Rdd::parallelize(job, (0..60).map(|n| (n, 1)).collect::<Vec<(u32, u32)>>(), 3);
            let (few, many) =
                (pairs.reduce_by_key_into(2, |a, b| a + b), pairs.reduce_by_key_into(5, |a, b| a + b));
            let mut all = Rdd::union_all(job, &[few, pairs, many]).keys().collect().unwrap();
            all.sort_unstable();
            all
        });
        assert_eq!(all, (0..60).flat_map(|n| [n; 3]).collect::<Vec<u32>>());
    }

    #[test]
    fn its_count_is_known_where_all_are() {
        let known = Rdd::parallelize(&job(1), vec![1, 2, 3], 2);
        assert_eq!(known.union(&known).node().known_count(), Some(6));
        assert_eq!(known.union(&known.filter(|_| true)).node().known_count(), None);
    }

    #[test]
    fn each_parent_is_a_source_of_its_own_however_many_partitions_it_has() {
        let lanes = |partitions: [usize; 3]| {
            let job = job(1);
            let [a, b, c] = partitions.map(|count| Rdd::parallelize(&job, vec![0; count], count));
            let all = a.union(&b.map(|n| n + 1)).filter(|_| true).union(&c.cache());
            (0..all.num_partitions()).map(|partition| all.node().lane(partition)).collect::<Vec<u64>>()
        };
        let [a, b, c] = lanes([1, 1, 1])[..] else { panic!("three partitions") };
        assert!(a != b && b != c && c != a);
        assert_eq!(lanes([2, 1, 3]), [a, a, b, c, c, c]);
        let shuffled =
            Rdd::parallelize(&job(1), vec![(1, 1)], 2).union(&Rdd::parallelize(&job(1), vec![], 2));
        assert_eq!(shuffled.reduce_by_key(|a, _| a).node().lane(1), 0);
    }

    #[test]
    fn a_union_of_nothing_is_empty() {
        let nothing = Rdd::<i32>::union_all(&job(1), &[]);
        assert!(nothing.is_empty().unwrap());
        assert!(nothing.is_empty().unwrap());
        assert_eq!(nothing.map(|n| (n, n)).reduce_by_key(|a, _| a).count().unwrap(), 0);
    }
}

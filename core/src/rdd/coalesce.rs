//! `coalesce`: fewer partitions, without a shuffle where that can be.

use std::ops::Range;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

use super::exchange::{Exchange, Shuffled};
use super::node::{Node, Part, Pull, spread};
use super::{Job, Rdd};
use crate::data::{Chunk, Chunks, Wire};
use crate::runtime::{Site, TaskContext};
use crate::words::Result;

impl<T> Rdd<T> {
    /// At most `partitions` partitions: each holds neighbours of this Rdd one behind the other, so the order of all
    /// elements stays. Where there are no more than that already, nothing changes; `repartition` makes more.
    ///
    /// Nothing is moved on one member. With several, everything goes through an exchange if one of the new partitions
    /// would have to hold what different members own.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let fewer = ssc.parallelize((0..8).collect(), 8).coalesce(3);
    /// assert_eq!(fewer.glom().collect()?, [vec![0, 1], vec![2, 3, 4], vec![5, 6, 7]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// Zero partitions fail every action on the result.
    #[track_caller]
    pub fn coalesce(&self, partitions: usize) -> Rdd<T>
    where
        T: Wire,
    {
        let site = self.site("coalesce", Location::caller());
        if partitions == 0 {
            return self.refuse(site, "partitions", partitions, "1 or more");
        }
        if partitions >= self.num_partitions() {
            return self.clone();
        }
        self.then(Coalesce::new(self.node(), site, partitions))
    }
}

struct Coalesce<T> {
    up: Arc<dyn Node<T>>,
    site: Site,
    groups: Groups,
    // For members that would have to share a partition; not run otherwise.
    exchanged: Shuffled<T>,
    exchanging: OnceLock<bool>,
}

/// Neighbours, in `groups` groups as equal as can be. Depends on nothing but the two numbers, so a partition holds the
/// same on any number of members.
#[derive(Clone, Copy)]
struct Groups {
    from: usize,
    groups: usize,
}

impl Groups {
    fn of(self, group: usize) -> Range<usize> {
        group * self.from / self.groups..(group + 1) * self.from / self.groups
    }

    fn containing(self, partition: usize) -> usize {
        // The first group that ends behind it.
        ((partition + 1) * self.groups).div_ceil(self.from) - 1
    }
}

impl<T: Wire> Coalesce<T> {
    fn new(up: Arc<dyn Node<T>>, site: Site, partitions: usize) -> Self {
        let groups = Groups { from: up.partitions(), groups: partitions };
        let exchange = Exchange::new(Arc::clone(&up), partitions, site, move |mut up: Pull<T>, partition| {
            let mut targets: Vec<Vec<T>> = (0..partitions).map(|_| Vec::new()).collect();
            let target = &mut targets[groups.containing(partition)];
            while let Some(chunk) = up.next()? {
                chunk.append_to(target);
            }
            Ok(targets)
        });
        let exchanged = Shuffled::one(exchange, |incoming, _| {
            let mut all = Vec::with_capacity(incoming.len());
            incoming.for_each(|_, element| {
                all.push(element);
                Ok(())
            })?;
            Ok(all)
        });
        Self { up, site, groups, exchanged, exchanging: OnceLock::new() }
    }

    /// Whether partitions of different members meet in one.
    fn crosses(&self, members: u32) -> bool {
        members > 1
            && (0..self.groups.groups).any(|group| {
                let mut owners = self.groups.of(group).map(|partition| self.up.owner(partition, members));
                let first = owners.next();
                owners.any(|owner| Some(owner) != first)
            })
    }
}

impl<T: Wire> Node<T> for Coalesce<T> {
    fn partitions(&self) -> usize {
        self.groups.groups
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        if self.crosses(members) {
            spread(partition, self.groups.groups, members)
        } else {
            self.up.owner(self.groups.of(partition).start, members)
        }
    }

    fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        if *self.exchanging.get_or_init(|| self.crosses(job.engine.members())) {
            self.exchanged.prepare(job)
        } else {
            self.up.prepare(job)
        }
    }

    fn open(&self, partition: usize, task: &TaskContext) -> Result<Part<T>> {
        if self.exchanging.get() == Some(&true) {
            return self.exchanged.open(partition, task);
        }
        let up = Arc::clone(&self.up);
        let (task, site) = (task.clone(), self.site);
        Ok(Box::new(Neighbours { up, left: self.groups.of(partition), open: None, ended: false, task, site }))
    }
}

/// Partitions one behind the other; each is opened when the one before it has ended.
struct Neighbours<T> {
    up: Arc<dyn Node<T>>,
    left: Range<usize>,
    open: Option<Pull<T>>,
    // The open one has, and must not be pulled again.
    ended: bool,
    task: TaskContext,
    site: Site,
}

impl<T> Neighbours<T> {
    fn open_next(&mut self) -> Result<bool> {
        let Some(partition) = self.left.next() else {
            return Ok(false);
        };
        self.open = Some(Pull::new(self.up.open(partition, &self.task)?, &self.task, self.site));
        Ok(true)
    }
}

impl<T> Chunks<T> for Neighbours<T> {
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        if std::mem::take(&mut self.ended) {
            self.open = None;
        }
        if self.open.is_none() && !self.open_next()? {
            return Ok(None);
        }
        if let Some(chunk) = self.open.as_mut().map_or(Ok(None), Pull::next)? {
            return Ok(Some(chunk));
        }
        self.ended = true;
        // "Ask again": the next pull opens the next partition.
        Ok(Some(Chunk::Ref(&[])))
    }

    fn count_rest(&mut self) -> Result<u64> {
        let open = self.open.as_mut().filter(|_| !self.ended);
        let mut count = open.map_or(Ok(0), Pull::count_rest)?;
        while self.open_next()? {
            count += self.open.as_mut().map_or(Ok(0), Pull::count_rest)?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::tests::{job, same_on_all};

    #[test]
    fn neighbours_stay_together_and_every_partition_is_in_its_group() {
        for from in 1..40 {
            for groups in 1..=from {
                let groups = Groups { from, groups };
                let all: Vec<usize> = (0..groups.groups).flat_map(|group| groups.of(group)).collect();
                assert_eq!(all, (0..from).collect::<Vec<_>>());
                for group in 0..groups.groups {
                    assert!(!groups.of(group).is_empty());
                    assert!(groups.of(group).all(|partition| groups.containing(partition) == group));
                }
            }
        }
    }

    #[test]
    fn a_partition_holds_the_same_on_any_number_of_members() {
        for (from, to) in [(8, 3), (6, 2), (7, 1), (4, 3), (9, 9), (3, 20)] {
            let parts = same_on_all(|job| {
                let numbers =
                    Rdd::parallelize(job, (0..2_000).collect::<Vec<u32>>(), from).filter(|n| n % 7 > 0);
                let fewer = numbers.coalesce(to);
                assert_eq!(fewer.count().unwrap(), numbers.count().unwrap());
                fewer.glom().collect().unwrap()
            });
            assert_eq!(parts.len(), from.min(to));
            assert_eq!(parts.concat(), (0..2_000).filter(|n| n % 7 > 0).collect::<Vec<u32>>());
        }
    }

    #[test]
    fn what_a_shuffle_left_with_its_owners_is_found() {
        for to in [1, 2, 3] {
            let all = same_on_all(|job| {
                let pairs = Rdd::parallelize(job, (0..60).map(|n| (n, n)).collect::<Vec<(u32, u32)>>(), 3);
                pairs.reduce_by_key_into(6, |a, _| a).coalesce(to).glom().collect().unwrap()
            });
            assert_eq!((all.len(), all.concat().len()), (to, 60));
        }
    }

    #[test]
    fn nothing_is_moved_where_no_partition_has_two_owners() {
        let numbers = Rdd::parallelize(&job(1), (0..8).collect::<Vec<u32>>(), 8);
        let coalesce = Coalesce::new(numbers.node(), Site::new("coalesce", Location::caller()), 4);
        assert!(!coalesce.crosses(1) && !coalesce.crosses(2) && !coalesce.crosses(4));
        assert!(coalesce.crosses(3) && coalesce.crosses(8));
        // Each member's share stays with it.
        assert_eq!((0..4).map(|group| coalesce.owner(group, 2)).collect::<Vec<_>>(), [0, 0, 1, 1]);
    }

    #[test]
    fn a_failure_behind_it_names_the_operator_that_failed() {
        let numbers = Rdd::parallelize(&job(2), (0..8).collect::<Vec<u32>>(), 8).map(|n| {
            assert!(n != 6, "six");
            n
        });
        let text = numbers.coalesce(2).count().unwrap_err().chain();
        assert!(text.starts_with("map (") && text.contains("partition 1 of 2"), "{text}");
    }

    #[test]
    fn no_partitions_are_refused() {
        let text = Rdd::parallelize(&job(1), vec![1], 1).coalesce(0).count().unwrap_err().to_string();
        assert!(
            text.starts_with("setting `partitions of coalesce (") && text.ends_with("1 or more"),
            "{text}"
        );
    }
}

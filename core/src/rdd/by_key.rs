//! Records go where their key belongs.

use std::hash::Hash;
use std::sync::Arc;

use super::node::{Node, Part, Pull};
use super::table::Table;
use super::wire::Pair;
use super::{Job, Rdd};
use crate::data::{Chunk, Key, StableHasher, bucket};
use crate::runtime::TaskContext;
use crate::words::Result;

/// Where the records of a shuffle by key go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByKey {
    pub(crate) targets: usize,
    // Whether each record is already in the partition of the result that its key belongs to.
    stay: bool,
}

impl ByKey {
    /// Into `partitions`; an [`Exchange`](super::exchange::Exchange) into none is refused.
    pub(crate) fn new(partitions: usize) -> Self {
        Self { targets: partitions, stay: false }
    }

    /// The pairs of `up` into `partitions`: they stay where they are if a shuffle before has placed them the same way.
    pub(crate) fn of<K, V>(up: &dyn Node<(K, V)>, partitions: usize) -> Self {
        let by = Self::new(partitions);
        Self { stay: up.keyed() && up.partitions() == by.targets, ..by }
    }

    /// Empty lists for the records of map partition `partition`, each with room for its share of `expected`.
    pub(crate) fn place<K: Key, C>(self, partition: usize, expected: usize) -> Placed<K, C> {
        let home = if self.targets == 1 { Some(0) } else { self.stay.then_some(partition) };
        let mut lists: Vec<Vec<Pair<K, C>>> = (0..self.targets).map(|_| Vec::new()).collect();
        match home {
            Some(home) => lists[home].reserve_exact(expected),
            None if expected == 0 => {}
            None => {
                // A little more than the mean, so that most lists never grow.
                let share = expected / self.targets;
                for list in &mut lists {
                    list.reserve_exact(share + share / 8 + 4);
                }
            }
        }
        Placed { lists, home, hasher: StableHasher::default() }
    }

    /// The entries of a table: each key is hashed once by the stable hash, however often it came.
    pub(crate) fn place_all<K: Key, C>(
        self,
        partition: usize,
        table: Table<K, C>,
    ) -> Result<Vec<Vec<Pair<K, C>>>> {
        let mut placed = self.place(partition, table.len());
        table.into_entries().try_for_each(|(key, combined)| placed.push(key, combined))?;
        Ok(placed.into_lists())
    }
}

/// The records of one map partition, in one list for each target.
pub(crate) struct Placed<K, C> {
    lists: Vec<Vec<Pair<K, C>>>,
    // The only list that gets anything, if it is known.
    home: Option<usize>,
    hasher: StableHasher,
}

impl<K: Key, C> Placed<K, C> {
    /// Puts a record behind the others of its target.
    #[inline]
    pub(crate) fn push(&mut self, key: K, value: C) -> Result<()> {
        let target = match self.home {
            Some(home) => home,
            None => bucket(self.hasher.hash(&key)?, self.lists.len()),
        };
        self.lists[target].push(Pair(key, value));
        Ok(())
    }

    pub(crate) fn into_lists(self) -> Vec<Vec<Pair<K, C>>> {
        self.lists
    }
}

/// Takes every element: moved where the chunk is ours, cloned where it is not.
pub(crate) fn each_owned<T: Clone>(up: &mut Pull<T>, mut each: impl FnMut(T) -> Result<()>) -> Result<()> {
    while let Some(chunk) = up.next()? {
        match chunk {
            Chunk::Own(elements) => elements.drain(..).try_for_each(&mut each)?,
            Chunk::Ref(elements) => elements.iter().cloned().try_for_each(&mut each)?,
        }
    }
    Ok(())
}

/// Puts every element into a table: `owned` where the chunk is ours, `lent` where it is not, so that a key which the table
/// has already is not cloned.
pub(crate) fn tabled<T, K: Hash + Eq, C>(
    up: Pull<T>,
    owned: impl Fn(&mut Table<K, C>, T),
    lent: impl Fn(&mut Table<K, C>, &T),
) -> Result<Table<K, C>> {
    tabled_in(Table::with_capacity(0), up, owned, lent)
}

/// As [`tabled`], into a table that is there.
pub(crate) fn tabled_in<T, K: Hash + Eq, C>(
    mut table: Table<K, C>,
    mut up: Pull<T>,
    owned: impl Fn(&mut Table<K, C>, T),
    lent: impl Fn(&mut Table<K, C>, &T),
) -> Result<Table<K, C>> {
    while let Some(chunk) = up.next()? {
        match chunk {
            Chunk::Own(elements) => {
                for element in elements.drain(..) {
                    owned(&mut table, element);
                }
            }
            Chunk::Ref(elements) => {
                for element in elements {
                    lent(&mut table, element);
                }
            }
        }
    }
    Ok(table)
}

impl<K, V> Rdd<(K, V)> {
    /// Says of pairs that were made of those of `before`, each with the key of one in the same partition, that they are
    /// in place if those were: for operators that are built on others which know nothing of keys.
    pub(crate) fn keyed_as<W>(self, before: &Rdd<(K, W)>) -> Self
    where
        K: 'static,
        V: 'static,
    {
        if before.node().keyed() { self.then(InPlace(self.node())) } else { self }
    }
}

/// Pairs that are in the partitions that their keys name.
struct InPlace<T>(Arc<dyn Node<T>>);

impl<T> Node<T> for InPlace<T> {
    fn partitions(&self) -> usize {
        self.0.partitions()
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        self.0.owner(partition, members)
    }

    fn keyed(&self) -> bool {
        true
    }

    fn known_count(&self) -> Option<u64> {
        self.0.known_count()
    }

    fn lane(&self, partition: usize) -> u64 {
        self.0.lane(partition)
    }

    fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        self.0.prepare(job)
    }

    fn open(&self, partition: usize, task: &TaskContext) -> Result<Part<T>> {
        self.0.open(partition, task)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::job;
    use super::*;

    /// Whether a shuffle of `rdd` into `partitions` leaves its pairs where they are.
    fn stays(rdd: &Rdd<(u32, u32)>, partitions: usize) -> bool {
        ByKey::of(&*rdd.node(), partitions).stay
    }

    #[test]
    fn pairs_stay_only_where_their_own_keys_put_them() {
        let pairs = Rdd::parallelize(&job(1), vec![(1, 1), (2, 2)], 4);
        assert!(!stays(&pairs, 4), "nothing has placed them");
        let placed = pairs.partition_by(4);
        assert!(stays(&placed, 4) && stays(&placed.filter(|(key, _)| *key > 1), 4));
        assert!(stays(&pairs.reduce_by_key_into(4, |a, _| a), 4));
        assert!(stays(&placed.map_values(|value| value + 1).flat_map_values(|value| 0..value), 4));
        assert!(!stays(&pairs.map_values(|value| value + 1), 4), "nothing has placed them, before or after");
        assert!(stays(&placed.persist(crate::StorageLevel::MemoryOnly).try_filter(|_| Ok(true)), 4));
        assert!(!stays(&placed, 3), "another number of partitions");
        assert!(!stays(&placed.map(|(key, value)| (value, key)), 4), "other keys");
        assert!(!stays(&placed.distinct_into(4), 4), "placed by the whole pair");
        assert!(!stays(&placed.repartition(4), 4), "placed by position");
        assert!(!stays(&placed.sort_by_key_into(4, true), 4), "placed by order");
    }

    #[test]
    fn what_stays_is_put_into_its_own_partition() {
        let by = ByKey { targets: 3, stay: true };
        let mut placed = by.place(1, 0);
        for key in 0..50u64 {
            placed.push(key, ()).unwrap();
        }
        assert_eq!(placed.into_lists().iter().map(Vec::len).collect::<Vec<_>>(), [0, 50, 0]);
    }
}

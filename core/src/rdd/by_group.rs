//! Pairs go where the states of their keys are: to partitions that are whole key groups.

use std::ops::Range;
use std::sync::Arc;

use super::by_key::each_owned;
use super::exchange::{Exchange, Incoming};
use super::node::{Node, Pull};
use crate::data::{Key, KeyGroup, Wire};
use crate::runtime::Site;
use crate::words::{Error, Result};

/// How many key groups there are, and so how many partitions of states at most.
pub(crate) const GROUPS: usize = KeyGroup::COUNT as usize;

/// The partition, of `partitions`, that holds the states of `group`.
#[inline]
pub(crate) fn partition_of(group: u8, partitions: usize) -> usize {
    usize::from(group) * partitions / GROUPS
}

/// The groups of `partition`, of `partitions`.
pub(crate) fn groups_of(partition: usize, partitions: usize) -> Range<u8> {
    let first = |partition: usize| (partition * GROUPS).div_ceil(partitions.max(1)).min(GROUPS) as u8;
    first(partition)..first(partition + 1)
}

/// A pair with the group of its key: on the way to the states, the key is hashed once.
#[derive(Clone, Debug)]
pub(crate) struct Grouped<K, V> {
    pub(crate) group: KeyGroup,
    pub(crate) key: K,
    pub(crate) value: V,
}

impl<K: Wire, V: Wire> Wire for Grouped<K, V> {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        out.push(self.group.index());
        self.key.encode(out)?;
        self.value.encode(out)
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self> {
        let group = u8::decode(bytes)?;
        let group = KeyGroup::from_index(group).ok_or_else(|| Error::Wire {
            type_name: std::any::type_name::<Self>(),
            direction: "read back",
            reason: format!("there is no key group {group}"),
        })?;
        Ok(Self { group, key: K::decode(bytes)?, value: V::decode(bytes)? })
    }
}

/// The way of pairs to where the states of their keys are.
pub(crate) type ByGroup<K, V> = Exchange<(K, V), Grouped<K, V>>;

/// What came for one partition of states.
pub(crate) type IncomingByGroup<K, V> = Incoming<Grouped<K, V>>;

/// The way of the pairs of `up` to `partitions` partitions of states; pairs that a shuffle before has put there stay.
pub(crate) fn by_group<K: Key, V: Wire>(
    up: Arc<dyn Node<(K, V)>>,
    partitions: usize,
    site: Site,
) -> ByGroup<K, V> {
    // A shuffle places by the hash itself: the same as by group where each partition has as many groups as the next.
    let stays = up.keyed() && up.partitions() == partitions && GROUPS.is_multiple_of(partitions);
    Exchange::new(up, partitions, site, move |mut up: Pull<(K, V)>, from| {
        let mut lists: Vec<Vec<Grouped<K, V>>> = (0..partitions).map(|_| Vec::new()).collect();
        let mut scratch = Vec::new();
        each_owned(&mut up, |(key, value)| {
            scratch.clear();
            key.encode(&mut scratch)?;
            let group = KeyGroup::of_encoded(&scratch);
            let to = if stays { from } else { partition_of(group.index(), partitions) };
            lists[to].push(Grouped { group, key, value });
            Ok(())
        })?;
        Ok(lists)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Rdd;
    use super::super::tests::job;
    use super::*;
    use crate::data::bucket;

    #[test]
    fn every_group_is_in_one_partition_and_partitions_differ_by_one_group_at_most() {
        for partitions in 1..=GROUPS {
            let mut next = 0;
            for partition in 0..partitions {
                let groups = groups_of(partition, partitions);
                assert_eq!(groups.start, next);
                assert!(groups.clone().all(|group| partition_of(group, partitions) == partition));
                let (some, less) = (groups.len(), GROUPS / partitions);
                assert!(some == less || some == less + 1, "{some} groups of {partitions} partitions");
                next = groups.end;
            }
            assert_eq!(usize::from(next), GROUPS);
        }
    }

    #[test]
    fn a_shuffle_before_has_put_keys_where_their_states_are_only_if_partitions_divide_the_groups() {
        let hashes: Vec<u64> = (0..1000u64).map(|n| crate::data::drawn(n, 0)).collect();
        let same = |partitions: usize| {
            let by_group = |hash| partition_of(bucket(hash, GROUPS) as u8, partitions);
            hashes.iter().all(|hash| by_group(*hash) == bucket(*hash, partitions))
        };
        assert!([1, 2, 8, 64, 128].into_iter().all(same));
        assert!(![3, 24, 100].into_iter().any(same));
    }

    #[test]
    fn pairs_arrive_at_their_states_in_the_order_they_had() {
        for partitions in [1, 3, 4, 128] {
            let pairs: Vec<(u32, u32)> = (0..2000).map(|n| (n % 700, n)).collect();
            let job = job(2);
            for placed in [false, true] {
                let rdd = Rdd::parallelize(&job, pairs.clone(), 3);
                let rdd = if placed { rdd.partition_by(partitions) } else { rdd };
                let way = by_group(rdd.node(), partitions, Site::new("test", std::panic::Location::caller()));
                way.prepare(&job).unwrap();
                let site = Site::new("test", std::panic::Location::caller());
                let all: Vec<usize> = (0..partitions).collect();
                let arrived = job
                    .stage(site, &all, partitions, |partition, task| {
                        way.take(partition, task)?.into_records()
                    })
                    .unwrap();
                for (partition, records) in arrived.iter().enumerate() {
                    assert!(records.iter().all(|record| {
                        groups_of(partition, partitions).contains(&record.group.index())
                            && record.group == KeyGroup::of(&record.key).unwrap()
                    }));
                    for key in 0..700 {
                        let of_key = records.iter().filter(|record| record.key == key);
                        assert!(of_key.is_sorted_by_key(|record| record.value), "{key}");
                    }
                }
                assert_eq!(arrived.iter().map(Vec::len).sum::<usize>(), 2000);
            }
        }
    }
}

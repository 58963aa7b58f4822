//! Where a sort cuts: bounds between the partitions of its result, drawn from a sample.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::job::Job;
use super::node::{Node, Part, Pull};
use super::wire::{Many, Pair};
use crate::data::{Chunk, Chunks, Wire, drawn};
use crate::runtime::{Site, TaskContext};
use crate::words::Result;

/// Keys in the sample for each partition of the result: these then differ in size by about a tenth.
const SAMPLE: usize = 100;

/// Keys between the partitions of a sorted result, rising; known once the sample has been taken.
pub(crate) type Bounds<K> = OnceLock<Vec<K>>;

/// The elements of a node, of which `prepare` draws a sample. What the sample was drawn from is handed on, so a node is
/// computed once and not twice.
pub(crate) struct Sampled<T, K, F> {
    up: Arc<dyn Node<T>>,
    targets: usize,
    site: Site,
    key: F,
    bounds: Arc<Bounds<K>>,
    // Taken by the first try of the map task; a later one computes its partition from lineage.
    held: Vec<Mutex<Option<Vec<T>>>>,
}

impl<T: Wire, K: Wire + Ord, F: Fn(&T) -> K + Send + Sync> Sampled<T, K, F> {
    pub(crate) fn new(
        up: Arc<dyn Node<T>>,
        targets: usize,
        site: Site,
        key: F,
        bounds: Arc<Bounds<K>>,
    ) -> Self {
        let held = (0..up.partitions()).map(|_| Mutex::new(None)).collect();
        Self { up, targets, site, key, bounds, held }
    }

    /// How many elements a partition has, and the keys of some: one drawn from each of so many equal stretches.
    fn sample(&self, partition: usize, task: &TaskContext) -> Result<Pair<u64, Many<K>>> {
        let mut up = Pull::new(self.up.open(partition, task)?, task, self.site);
        let mut all = Vec::new();
        while let Some(chunk) = up.next()? {
            chunk.append_to(&mut all);
        }
        let stretches = (SAMPLE * self.targets).div_ceil(self.held.len()).min(all.len());
        let keys = (0..stretches).map(|stretch| {
            let from = stretch * all.len() / stretches;
            let length = (stretch + 1) * all.len() / stretches - from;
            // Drawn and not counted off, so that what comes in turns is not missed.
            let place = drawn(partition as u64, stretch as u64) % length as u64;
            (self.key)(&all[from + place as usize])
        });
        let sample = Pair(all.len() as u64, Many(keys.collect()));
        *self.held[partition].lock() = Some(all);
        Ok(sample)
    }
}

impl<T: Wire, K: Wire + Ord, F: Fn(&T) -> K + Send + Sync> Node<T> for Sampled<T, K, F> {
    fn partitions(&self) -> usize {
        self.up.partitions()
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        self.up.owner(partition, members)
    }

    fn known_count(&self) -> Option<u64> {
        self.up.known_count()
    }

    fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        self.up.prepare(job)?;
        if self.targets == 1 || self.bounds.get().is_some() {
            return Ok(());
        }
        let partitions: Vec<usize> = (0..self.up.partitions()).collect();
        let samples =
            job.gather(self.site, &*self.up, &partitions, |partition, task| self.sample(partition, task))?;
        let _ = self.bounds.set(bounds(samples, self.targets));
        Ok(())
    }

    fn open(&self, partition: usize, task: &TaskContext) -> Result<Part<T>> {
        let held = self.held[partition].lock().take();
        match held {
            Some(elements) => Ok(Box::new(Once { elements, lent: false })),
            None => self.up.open(partition, task),
        }
    }
}

/// Cuts the sampled keys into `targets` shares of about equal weight: an element whose key is at most the first bound
/// belongs to the first share, and so on. Equal keys are never apart, so there may be fewer bounds than cuts.
fn bounds<K: Ord>(samples: Vec<Pair<u64, Many<K>>>, targets: usize) -> Vec<K> {
    let mut weighted: Vec<(K, u128)> = Vec::new();
    for Pair(elements, Many(keys)) in samples {
        // Each key stands for as many elements as its stretch has; scaled, to stay with whole numbers.
        let weight = (u128::from(elements) << 20) / (keys.len() as u128).max(1);
        weighted.extend(keys.into_iter().map(|key| (key, weight)));
    }
    weighted.sort_by(|(a, _), (b, _)| a.cmp(b));
    let total: u128 = weighted.iter().map(|(_, weight)| weight).sum();
    let (mut bounds, mut cut, mut passed): (Vec<K>, u128, u128) = (Vec::new(), 1, 0);
    for (key, weight) in weighted {
        passed += weight;
        if passed * targets as u128 >= cut * total && cut < targets as u128 {
            cut = passed * targets as u128 / total + 1;
            if bounds.last().is_none_or(|last| *last < key) {
                bounds.push(key);
            }
        }
    }
    bounds
}

/// Elements at hand, lent in one chunk.
struct Once<T> {
    elements: Vec<T>,
    lent: bool,
}

impl<T: Send + Sync> Chunks<T> for Once<T> {
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        if std::mem::replace(&mut self.lent, true) {
            return Ok(None);
        }
        Ok(Some(Chunk::Own(&mut self.elements)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_cut_into_equal_shares() {
        let all = Pair(8, Many((1..=8).collect()));
        assert_eq!(bounds(vec![all], 4), [2, 4, 6]);
    }

    #[test]
    fn a_key_of_a_large_partition_weighs_more() {
        // Four keys stand for 400 elements, four others for 4.
        let samples = vec![Pair(400, Many(vec![1, 2, 3, 4])), Pair(4, Many(vec![5, 6, 7, 8]))];
        assert_eq!(bounds(samples, 2), [3]);
    }

    #[test]
    fn one_frequent_key_gives_one_bound() {
        assert_eq!(bounds(vec![Pair(6, Many(vec![7; 6]))], 3), [7]);
        assert_eq!(bounds(Vec::<Pair<u64, Many<u8>>>::new(), 3), Vec::<u8>::new());
    }
}

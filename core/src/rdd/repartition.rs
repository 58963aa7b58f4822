//! `repartition`: the same elements, spread evenly.

use std::panic::Location;

use super::Rdd;
use super::by_key::each_owned;
use super::exchange::{Exchange, Shuffled};
use super::node::Pull;
use crate::data::{Data, Wire, drawn};

impl<T: Data> Rdd<T> {
    /// The same elements, spread evenly over `partitions` partitions.
    ///
    /// Each partition deals its elements out in turn, beginning at a place that its number and the batch fix: the result
    /// is the same whenever it is computed again.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let numbers = ssc.parallelize((0..9).collect(), 1).repartition(3);
    /// assert_eq!(numbers.num_partitions(), 3);
    /// assert_eq!(numbers.count()?, 9);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn repartition(&self, partitions: usize) -> Self
    where
        T: Wire,
    {
        let site = self.site("repartition", Location::caller());
        // The batch in which this was written, not the one that computes it: a window may look at it from several.
        let batch = self.job().batch.as_millis();
        let exchange = Exchange::new(self.node(), partitions, site, move |mut up: Pull<T>, partition| {
            let mut dealt: Vec<Vec<T>> = (0..partitions).map(|_| Vec::new()).collect();
            let mut turn = (drawn(batch, partition as u64) % partitions as u64) as usize;
            each_owned(&mut up, |element| {
                dealt[turn].push(element);
                turn = if turn + 1 == partitions { 0 } else { turn + 1 };
                Ok(())
            })?;
            Ok(dealt)
        });
        self.then(Shuffled::one(exchange, |incoming, _| incoming.into_records()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::shuffle_tests::by_partition;
    use super::super::tests::job;
    use super::*;

    /// How many elements each of three partitions has after a repartition of `elements` in `partitions`.
    fn sizes(elements: u32, partitions: usize) -> Vec<usize> {
        let rdd = Rdd::parallelize(&job(2), (0..elements).collect(), partitions).repartition(3);
        by_partition(&rdd).iter().map(Vec::len).collect()
    }

    #[test]
    fn partitions_differ_by_at_most_one_element_for_each_partition_before() {
        let sizes = sizes(1000, 4);
        assert!(sizes.iter().all(|size| (330..338).contains(size)), "{sizes:?}");
    }

    #[test]
    fn partitions_of_one_element_do_not_all_begin_at_the_same_place() {
        let sizes = sizes(90, 90);
        assert!(sizes.iter().all(|size| (15..45).contains(size)), "{sizes:?}");
    }
}

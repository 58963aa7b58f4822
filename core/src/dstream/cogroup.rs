//! `cogroup` and `subtract_by_key`: two streams, batch by batch, side by side.

use std::panic::Location;

use super::DStream;
use crate::data::{Data, Key, Wire};
use crate::runtime::Site;

impl<K: Data, V: Data> DStream<(K, V)> {
    /// For each key of a batch all values here and all values in `other`; a side that does not have the key gives none.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let left = input_batches(&ssc, 2, vec![vec![('a', 1), ('a', 2)]]);
    /// let right = input_batches(&ssc, 2, vec![vec![('a', 10), ('b', 20)]]);
    /// let groups = collect_batches(&left.cogroup(&right));
    /// run_batches(&ssc, 1)?;
    /// let mut batch = groups.batches().remove(0);
    /// batch.sort();
    /// assert_eq!(batch, [('a', (vec![1, 2], vec![10])), ('b', (vec![], vec![20]))]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn cogroup<W: Wire>(&self, other: &DStream<(K, W)>) -> DStream<(K, (Vec<V>, Vec<W>))>
    where
        K: Key,
        V: Wire,
    {
        self.both_rdds(other, "cogroup", Location::caller(), |here, there| Ok(here.cogroup(&there)))
    }

    /// As [`cogroup`](Self::cogroup), into `partitions` partitions.
    #[track_caller]
    pub fn cogroup_into<W: Wire>(
        &self,
        partitions: usize,
        other: &DStream<(K, W)>,
    ) -> DStream<(K, (Vec<V>, Vec<W>))>
    where
        K: Key,
        V: Wire,
    {
        self.check_partitions(Site::new("cogroup", Location::caller()), partitions);
        self.both_rdds(other, "cogroup", Location::caller(), move |here, there| {
            Ok(here.cogroup_into(partitions, &there))
        })
    }

    /// The pairs of each batch whose key `other` does not have in the same batch.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let words = input_batches(&ssc, 2, vec![vec![('a', 1), ('b', 2)], vec![('a', 3)]]);
    /// let banned = input_batches(&ssc, 2, vec![vec![('a', ())]]);
    /// let rest = collect_batches(&words.subtract_by_key(&banned));
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(rest.batches(), [[('b', 2)], [('a', 3)]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "subtractByKey")]
    #[track_caller]
    pub fn subtract_by_key<W: Data>(&self, other: &DStream<(K, W)>) -> Self
    where
        K: Key,
        V: Wire,
    {
        self.both_rdds(other, "subtract_by_key", Location::caller(), |here, there| {
            Ok(here.subtract_by_key(&there))
        })
    }
}

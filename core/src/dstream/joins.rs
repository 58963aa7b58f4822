//! `join`, `left_outer_join`, `right_outer_join`, `full_outer_join`: two streams, batch by batch, by key.

use std::panic::Location;

use super::DStream;
use crate::data::{Data, Key, Wire};
use crate::runtime::Site;

impl<K: Data, V: Data> DStream<(K, V)> {
    /// Each value of a key here with each value of the same key in `other`, batch by batch; keys on one side only are left
    /// out.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let left = input_batches(&ssc, 2, vec![vec![('a', 1), ('b', 2)]]);
    /// let right = input_batches(&ssc, 2, vec![vec![('b', 20), ('c', 30)]]);
    /// let joined = collect_batches(&left.join(&right));
    /// run_batches(&ssc, 1)?;
    /// let mut batch = joined.batches().remove(0);
    /// batch.sort();
    /// assert_eq!(batch, [('b', (2, 20))]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn join<W: Wire>(&self, other: &DStream<(K, W)>) -> DStream<(K, (V, W))>
    where
        K: Key,
        V: Wire,
    {
        self.both_rdds(other, "join", Location::caller(), |here, there| Ok(here.join(&there)))
    }

    /// As [`join`](Self::join), into `partitions` partitions.
    #[track_caller]
    pub fn join_into<W: Wire>(&self, partitions: usize, other: &DStream<(K, W)>) -> DStream<(K, (V, W))>
    where
        K: Key,
        V: Wire,
    {
        self.check_partitions(Site::new("join", Location::caller()), partitions);
        self.both_rdds(other, "join", Location::caller(), move |here, there| {
            Ok(here.join_into(partitions, &there))
        })
    }

    /// As [`join`](Self::join), and the pairs of keys that are only here, with `None`.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let left = input_batches(&ssc, 2, vec![vec![('a', 1), ('b', 2)]]);
    /// let right = input_batches(&ssc, 2, vec![vec![('b', 20), ('c', 30)]]);
    /// let joined = collect_batches(&left.left_outer_join(&right));
    /// run_batches(&ssc, 1)?;
    /// let mut batch = joined.batches().remove(0);
    /// batch.sort();
    /// assert_eq!(batch, [('a', (1, None)), ('b', (2, Some(20)))]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "leftOuterJoin")]
    #[track_caller]
    pub fn left_outer_join<W: Wire>(&self, other: &DStream<(K, W)>) -> DStream<(K, (V, Option<W>))>
    where
        K: Key,
        V: Wire,
    {
        self.both_rdds(other, "left_outer_join", Location::caller(), |here, there| {
            Ok(here.left_outer_join(&there))
        })
    }

    /// As [`left_outer_join`](Self::left_outer_join), into `partitions` partitions.
    #[doc(alias = "leftOuterJoin")]
    #[track_caller]
    pub fn left_outer_join_into<W: Wire>(
        &self,
        partitions: usize,
        other: &DStream<(K, W)>,
    ) -> DStream<(K, (V, Option<W>))>
    where
        K: Key,
        V: Wire,
    {
        self.check_partitions(Site::new("left_outer_join", Location::caller()), partitions);
        self.both_rdds(other, "left_outer_join", Location::caller(), move |here, there| {
            Ok(here.left_outer_join_into(partitions, &there))
        })
    }

    /// As [`join`](Self::join), and the pairs of keys that are only in `other`, with `None`.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let left = input_batches(&ssc, 2, vec![vec![('a', 1), ('b', 2)]]);
    /// let right = input_batches(&ssc, 2, vec![vec![('b', 20), ('c', 30)]]);
    /// let joined = collect_batches(&left.right_outer_join(&right));
    /// run_batches(&ssc, 1)?;
    /// let mut batch = joined.batches().remove(0);
    /// batch.sort();
    /// assert_eq!(batch, [('b', (Some(2), 20)), ('c', (None, 30))]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "rightOuterJoin")]
    #[track_caller]
    pub fn right_outer_join<W: Wire>(&self, other: &DStream<(K, W)>) -> DStream<(K, (Option<V>, W))>
    where
        K: Key,
        V: Wire,
    {
        self.both_rdds(other, "right_outer_join", Location::caller(), |here, there| {
            Ok(here.right_outer_join(&there))
        })
    }

    /// As [`right_outer_join`](Self::right_outer_join), into `partitions` partitions.
    #[doc(alias = "rightOuterJoin")]
    #[track_caller]
    pub fn right_outer_join_into<W: Wire>(
        &self,
        partitions: usize,
        other: &DStream<(K, W)>,
    ) -> DStream<(K, (Option<V>, W))>
    where
        K: Key,
        V: Wire,
    {
        self.check_partitions(Site::new("right_outer_join", Location::caller()), partitions);
        self.both_rdds(other, "right_outer_join", Location::caller(), move |here, there| {
            Ok(here.right_outer_join_into(partitions, &there))
        })
    }

    /// As [`join`](Self::join), and the pairs of keys that are on one side only, with `None` for the other.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let left = input_batches(&ssc, 2, vec![vec![('a', 1), ('b', 2)]]);
    /// let right = input_batches(&ssc, 2, vec![vec![('b', 20), ('c', 30)]]);
    /// let joined = collect_batches(&left.full_outer_join(&right));
    /// run_batches(&ssc, 1)?;
    /// let mut batch = joined.batches().remove(0);
    /// batch.sort();
    /// assert_eq!(batch, [('a', (Some(1), None)), ('b', (Some(2), Some(20))), ('c', (None, Some(30)))]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "fullOuterJoin")]
    #[track_caller]
    pub fn full_outer_join<W: Wire>(&self, other: &DStream<(K, W)>) -> DStream<(K, (Option<V>, Option<W>))>
    where
        K: Key,
        V: Wire,
    {
        self.both_rdds(other, "full_outer_join", Location::caller(), |here, there| {
            Ok(here.full_outer_join(&there))
        })
    }

    /// As [`full_outer_join`](Self::full_outer_join), into `partitions` partitions.
    #[doc(alias = "fullOuterJoin")]
    #[track_caller]
    pub fn full_outer_join_into<W: Wire>(
        &self,
        partitions: usize,
        other: &DStream<(K, W)>,
    ) -> DStream<(K, (Option<V>, Option<W>))>
    where
        K: Key,
        V: Wire,
    {
        self.check_partitions(Site::new("full_outer_join", Location::caller()), partitions);
        self.both_rdds(other, "full_outer_join", Location::caller(), move |here, there| {
            Ok(here.full_outer_join_into(partitions, &there))
        })
    }
}

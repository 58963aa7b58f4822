//! `union`: one stream and another.

use std::panic::Location;

use super::DStream;
use crate::data::Data;

impl<T> DStream<T> {
    /// The elements of both, batch by batch: those of this stream first. What is in both comes twice.
    ///
    /// For many streams: [`StreamingContext::union`](crate::StreamingContext).
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let left = input_batches(&ssc, 2, vec![vec![1, 2], vec![]]);
    /// let right = input_batches(&ssc, 1, vec![vec![2, 3], vec![4]]);
    /// let both = collect_batches(&left.union(&right));
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(both.batches(), [vec![1, 2, 2, 3], vec![4]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn union(&self, other: &DStream<T>) -> DStream<T>
    where
        T: Data,
    {
        self.both_rdds(other, "union", Location::caller(), |here, there| Ok(here.union(&there)))
    }
}

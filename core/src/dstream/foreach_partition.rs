//! `foreach_partition`: something done with each partition.

use std::panic::Location;

use super::DStream;
use crate::data::Data;
use crate::rdd::Elements;
use crate::words::{BoxError, Result};

impl<T> DStream<T> {
    /// Does something with each partition of each batch, in tasks: one connection for many elements.
    ///
    /// `f` runs at least once: a task that fails runs again, and so does a batch after a crash. For what must happen once
    /// use [`save_to`](Self::save_to). What `f` does not take of its elements is not computed.
    ///
    /// ```
    /// # use tidemill::testing::{input_batches, local, run_batches};
    /// # use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
    /// let ssc = local(2);
    /// let (sum, all) = (Arc::new(AtomicU64::new(0)), input_batches(&ssc, 2, vec![vec![1, 2], vec![3]]));
    /// let seen = Arc::clone(&sum);
    /// all.foreach_partition(move |numbers| {
    ///     seen.fetch_add(numbers.sum(), Ordering::Relaxed);
    ///     Ok(())
    /// });
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(sum.load(Ordering::Relaxed), 6);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "foreachPartition")]
    #[track_caller]
    pub fn foreach_partition(&self, f: impl Fn(Elements<T>) -> Result<(), BoxError> + Send + Sync + 'static)
    where
        T: Data,
    {
        self.output("foreach_partition", Location::caller(), None, move |rdd, _| rdd.foreach_partition(&f));
    }
}

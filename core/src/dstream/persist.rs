//! `persist` and `cache`: Rdds of a stream that are computed once.

use std::panic::Location;

use super::{DStream, Phase};
use crate::data::{Data, Wire};
use crate::rdd::StorageLevel;

impl<T> DStream<T> {
    /// Keeps each Rdd of this stream, until its batch is forgotten, for the streams and outputs that use it.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// # use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
    /// let ssc = local(2);
    /// let calls = Arc::new(AtomicU32::new(0));
    /// let counter = Arc::clone(&calls);
    /// let slow = input_batches(&ssc, 2, vec![vec![1, 2, 3]]).map(move |n| {
    ///     counter.fetch_add(1, Ordering::Relaxed);
    ///     n
    /// });
    /// let slow = slow.persist(tidemill::StorageLevel::MemoryOnly);
    /// let _both = (collect_batches(&slow), collect_batches(&slow));
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(calls.load(Ordering::Relaxed), 3);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn persist(&self, level: StorageLevel) -> Self
    where
        T: Wire,
    {
        if self.may_persist(Location::caller()) {
            self.stream().set_finish(move |rdd| rdd.persist(level));
        }
        self.clone()
    }

    /// As [`persist`](Self::persist) with values in memory; what does not fit is computed again.
    #[track_caller]
    pub fn cache(&self) -> Self
    where
        T: Data,
    {
        if self.may_persist(Location::caller()) {
            self.stream().set_finish(|rdd| rdd.cache());
        }
        self.clone()
    }

    fn may_persist(&self, caller: &'static Location<'static>) -> bool {
        let may = self.graph().phase() == Phase::Initialized;
        if !may {
            let message =
                "cannot change the storage level of a DStream after the streaming context has started";
            self.graph().mistake(caller, message);
        }
        may
    }
}

//! Streams drawn from many streams: `union` and `transform` of the context.

use std::panic::Location;

use super::StreamingContext;
use crate::data::Data;
use crate::dstream::{DStream, all_rdds};
use crate::rdd::Rdd;
use crate::words::BatchTime;

impl StreamingContext {
    /// The elements of all `streams`, batch by batch, in the order of the streams.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let streams: Vec<_> = (0..3).map(|n| input_batches(&ssc, 1, vec![vec![n, n * 10]])).collect();
    /// let all = collect_batches(&ssc.union(&streams));
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(all.batches(), [[0, 0, 1, 10, 2, 20]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn union<T: Data>(&self, streams: &[DStream<T>]) -> DStream<T> {
        let caller = Location::caller();
        all_rdds(self.graph(), streams, "union", caller, |rdds, job| Ok(Rdd::union_all(job, &rdds)))
    }

    /// Any Rdd for the Rdds of all `streams` of the same time, which `f` gets in the order of the streams.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let streams: Vec<_> = (0..3).map(|n| input_batches(&ssc, 1, vec![vec![n]])).collect();
    /// let picked = ssc.transform(&streams, |rdds, _time| rdds[2].union(&rdds[0]));
    /// let picked = collect_batches(&picked);
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(picked.batches(), [[2, 0]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn transform<T: Data, U: Data>(
        &self,
        streams: &[DStream<T>],
        f: impl Fn(Vec<Rdd<T>>, BatchTime) -> Rdd<U> + Send + Sync + 'static,
    ) -> DStream<U> {
        let caller = Location::caller();
        all_rdds(self.graph(), streams, "transform", caller, move |rdds, job| Ok(f(rdds, job.batch)))
    }
}

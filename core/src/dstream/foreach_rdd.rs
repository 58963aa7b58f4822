//! `foreach_rdd`: something done with each Rdd.

use std::panic::Location;
use std::sync::Arc;

use super::{DStream, Generated};
use crate::data::Data;
use crate::rdd::{Function, Rdd};
use crate::runtime::Site;
use crate::words::{BatchTime, BoxError, Error, Result};

impl<T> DStream<T> {
    /// **With several members, `f` runs on each of them, and after a failure it may run again**: for an effect that must
    /// happen once use [`Rdd::on_driver`](crate::Rdd::on_driver) or [`Rdd::save_to`](crate::Rdd::save_to) inside.
    ///
    /// Does something with each Rdd of the stream, in the order of batches. `f` runs outside tasks; the actions that it
    /// calls run as tasks. If it calls none, nothing is computed. An error fails the batch.
    ///
    /// ```
    /// # use tidemill::testing::{input_batches, local, run_batches};
    /// # use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
    /// let ssc = local(2);
    /// let total = Arc::new(AtomicU64::new(0));
    /// let seen = Arc::clone(&total);
    /// input_batches(&ssc, 2, vec![vec![1, 2], vec![3]]).foreach_rdd(move |rdd, _time| {
    ///     let count = rdd.count()?;
    ///     rdd.on_driver(|| Ok(seen.fetch_add(count, Ordering::Relaxed)))?;
    ///     Ok(())
    /// });
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(total.load(Ordering::Relaxed), 3);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "foreachRDD")]
    #[track_caller]
    pub fn foreach_rdd(&self, f: impl Fn(Rdd<T>, BatchTime) -> Result<(), BoxError> + Send + Sync + 'static)
    where
        T: Data,
    {
        self.output("foreach_rdd", Location::caller(), None, move |rdd, time| {
            f(rdd.unnamed(), time).map_err(Error::from_user)
        });
    }

    /// Adds an output operation.
    pub(crate) fn output(
        &self,
        operator: &'static str,
        caller: &'static Location<'static>,
        check: Option<Box<dyn Fn() -> Result<()> + Send + Sync>>,
        f: impl Fn(Rdd<T>, BatchTime) -> Result<()> + Function,
    ) where
        T: Data,
    {
        let site = Site::new(operator, caller);
        let (stream, named, f) = (Arc::clone(self.stream()), Arc::clone(self.stream()), Arc::new(f));
        let number = stream.next_output();
        // What is written is found again by the uid, so two outputs of one stream must not have the same.
        let uid = move || named.uid().map(|uid| if number == 0 { uid } else { format!("{uid}#{number}") });
        self.stream().add_child();
        self.graph().add_output(site, uid, check, move |time, job| {
            let Some(rdd) = stream.rdd(time, job)? else { return Ok(None) };
            let f = Arc::clone(&f);
            let run: Generated = Box::new(move || f(rdd.at(site), time));
            Ok(Some(run))
        });
    }
}

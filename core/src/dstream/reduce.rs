//! `reduce`: one element of each batch.

use std::panic::Location;
use std::sync::Arc;

use super::DStream;
use crate::data::Wire;
use crate::rdd::{Function, Rdd};
use crate::runtime::Site;

impl<T> DStream<T> {
    /// One element of all of a batch; none for an empty batch.
    ///
    /// `f` must be associative: partitions are reduced by themselves, then their elements, both in order.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let numbers = input_batches(&ssc, 2, vec![vec![1, 2, 3, 4], vec![]]);
    /// let sums = collect_batches(&numbers.reduce(|a, b| a + b));
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(sums.batches(), [vec![10], vec![]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn reduce(&self, f: impl Fn(T, T) -> T + Send + Sync + 'static) -> DStream<T>
    where
        T: Wire,
    {
        self.each_rdd_with("reduce", Location::caller(), f, |rdd, f| {
            let site = rdd.site("reduce", Location::caller());
            let within = Arc::clone(&f);
            let parts = rdd.map_partitions(move |elements| elements.reduce(|a, b| within(a, b)));
            into_one(&parts, site, move |a, b| f(a, b))
        })
    }
}

/// One element of all, in one partition, without an action; `site` is what errors name.
pub(super) fn into_one<T: Wire>(rdd: &Rdd<T>, site: Site, f: impl Fn(T, T) -> T + Function) -> Rdd<T> {
    let keyed = rdd.clone().at(site).map(|element| ((), element));
    keyed.at(site).reduce_by_key_into(1, f).at(site).values()
}

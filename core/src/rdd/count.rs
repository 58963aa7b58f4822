//! `count`: how many.

use std::panic::Location;

use super::node::Pull;
use super::{Job, Rdd};
use crate::words::Result;

impl<T> Rdd<T> {
    /// How many elements there are.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// assert_eq!(ssc.parallelize(vec!["tide", "mill"], 2).count()?, 2);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first failure of a task.
    #[track_caller]
    pub fn count(&self) -> Result<u64> {
        let site = self.site("count", Location::caller());
        Job::outside_tasks("count")?;
        let node = self.node();
        node.prepare(self.job())?;
        let partitions: Vec<usize> = (0..node.partitions()).collect();
        let counts = self.job().gather(site, &*node, &partitions, |partition, task| {
            Pull::new(node.open(partition, task)?, task, site).count_rest()
        })?;
        Ok(counts.iter().sum())
    }
}

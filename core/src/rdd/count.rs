//! `count`: how many.

use std::panic::Location;

use super::Rdd;
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
        let counts = self.run("count", site, |mut up| up.count_rest())?;
        Ok(counts.iter().sum())
    }
}

//! `collect`: everything, in the order of partitions.

use std::panic::Location;

use super::node::Pull;
use super::wire::Many;
use super::{Job, Rdd};
use crate::data::Wire;
use crate::words::Result;

impl<T> Rdd<T> {
    /// Everything, in the order of partitions; on every member.
    ///
    /// # Errors
    /// The first failure of a task.
    #[track_caller]
    pub fn collect(&self) -> Result<Vec<T>>
    where
        T: Wire,
    {
        let site = self.site("collect", Location::caller());
        Job::outside_tasks("collect")?;
        self.node().prepare(self.job())?;
        let node = self.node();
        let partitions: Vec<usize> = (0..node.partitions()).collect();
        let parts = self.job().gather(site, &*node, &partitions, |partition, task| {
            let mut up = Pull::new(node.open(partition, task)?, task, site);
            let mut all = Vec::new();
            while let Some(chunk) = up.next()? {
                chunk.append_to(&mut all);
            }
            Ok(Many(all))
        })?;
        let mut parts = parts.into_iter().map(|Many(part)| part);
        let mut all = parts.next().unwrap_or_default();
        parts.for_each(|mut part| all.append(&mut part));
        Ok(all)
    }
}

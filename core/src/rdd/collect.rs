//! `collect`: everything, in the order of partitions.

use std::panic::Location;

use super::Rdd;
use super::wire::Many;
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
        let parts = self.run("collect", site, |mut up| {
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

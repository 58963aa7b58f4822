//! `take`, `first` and `is_empty`: the beginning, without the rest.

use std::panic::Location;

use super::node::Pull;
use super::wire::Many;
use super::{Job, Rdd};
use crate::data::Wire;
use crate::runtime::Site;
use crate::words::{Error, Result};

impl<T> Rdd<T> {
    /// The first `n` elements in the order of partitions. Partitions behind the first are computed only if it holds
    /// fewer.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// assert_eq!(ssc.parallelize(vec![1, 2, 3, 4], 2).take(3)?, [1, 2, 3]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first failure of a task.
    #[track_caller]
    pub fn take(&self, n: usize) -> Result<Vec<T>>
    where
        T: Wire,
    {
        self.head(self.site("take", Location::caller()), "take", n)
    }

    /// The first element.
    ///
    /// # Errors
    /// Where there is none, or a task failed.
    #[track_caller]
    pub fn first(&self) -> Result<T>
    where
        T: Wire,
    {
        let found = self.head(self.site("first", Location::caller()), "first", 1)?;
        found
            .into_iter()
            .next()
            .ok_or_else(|| Error::new("`first` of an empty Rdd; ask `is_empty` or use `take(1)`"))
    }

    /// Whether there is no element.
    ///
    /// # Errors
    /// The first failure of a task.
    #[track_caller]
    pub fn is_empty(&self) -> Result<bool> {
        let site = self.site("is_empty", Location::caller());
        Job::outside_tasks("is_empty")?;
        let node = self.node();
        node.prepare(self.job())?;
        for partitions in rounds(node.partitions()) {
            let empty = self.job().gather(site, &*node, &partitions, |partition, task| {
                let mut up = Pull::new(node.open(partition, task)?, task, site);
                while let Some(chunk) = up.next()? {
                    if !chunk.as_slice().is_empty() {
                        return Ok(false);
                    }
                }
                Ok(true)
            })?;
            if empty.contains(&false) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn head(&self, site: Site, action: &'static str, n: usize) -> Result<Vec<T>>
    where
        T: Wire,
    {
        Job::outside_tasks(action)?;
        let node = self.node();
        node.prepare(self.job())?;
        let mut all: Vec<T> = Vec::new();
        for partitions in rounds(node.partitions()) {
            let wanted = n - all.len();
            if wanted == 0 {
                break;
            }
            let heads = self.job().gather(site, &*node, &partitions, |partition, task| {
                let mut up = Pull::new(node.open(partition, task)?, task, site);
                let mut head = Vec::new();
                while head.len() < wanted
                    && let Some(chunk) = up.next()?
                {
                    chunk.append_to(&mut head);
                }
                head.truncate(wanted);
                Ok(Many(head))
            })?;
            all.extend(heads.into_iter().flat_map(|Many(head)| head).take(wanted));
        }
        Ok(all)
    }
}

/// The first partition alone, then all others at once: mostly the first has enough.
fn rounds(partitions: usize) -> Vec<Vec<usize>> {
    match partitions {
        0 => Vec::new(),
        1 => vec![vec![0]],
        _ => vec![vec![0], (1..partitions).collect()],
    }
}

//! Many records that stay together, undecoded, until a task reads them.

use std::sync::Arc;

use crate::data::Chunks;
use crate::rdd::Rejects;
use crate::runtime::TaskContext;
use crate::words::Result;

/// Many records in one buffer: a piece of text, a run of frames. The gate takes it whole; tasks of the batch cut it.
///
/// Decoding is so part of the batch: it runs on all task threads, is retried with the task, and its failures are counted
/// with the batch.
pub trait InputBlock<T>: Send + Sync + 'static {
    /// How many records it holds, those that cannot be decoded included.
    fn records(&self) -> u64;

    /// How much memory it takes, in bytes.
    fn size(&self) -> usize;

    /// Reads the records from the first; the same ones each time. What cannot be decoded goes to `rejects`.
    ///
    /// # Errors
    /// Where the block as a whole is no good.
    fn open(&self, rejects: &Rejects, task: &TaskContext) -> Result<Box<dyn Chunks<T>>>;
}

/// A block that somebody else holds too.
impl<T> InputBlock<T> for Arc<dyn InputBlock<T>>
where
    T: 'static,
{
    fn records(&self) -> u64 {
        (**self).records()
    }

    fn size(&self) -> usize {
        (**self).size()
    }

    fn open(&self, rejects: &Rejects, task: &TaskContext) -> Result<Box<dyn Chunks<T>>> {
        (**self).open(rejects, task)
    }
}

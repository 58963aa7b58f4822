//! Many records that stay together, undecoded, until a task reads them.

use std::sync::Arc;

use bytes::Bytes;

use crate::data::Chunks;
use crate::rdd::Rejects;
use crate::runtime::TaskContext;
use crate::words::Result;

/// Many records in one buffer: a piece of text, a run of frames. The gate takes it whole; tasks of the batch cut it.
///
/// Decoding is so part of the batch: it runs on all task threads, is retried with the task, and its failures are counted
/// with the batch.
///
/// While the job's memory is used up a block goes to disk: it is written down by [`encode`](Self::encode) and dropped, and the
/// task that reads it has it made again by its [`maker`](Self::maker).
///
/// # Laws
/// 1. It reads the same each time: the same records, the same rejects.
/// 2. So does what its `maker` makes of the bytes of its `encode`, which holds as many records. The test kit's
///    `written_and_read_back` does both, and its suite for receivers compares.
pub trait InputBlock<T>: Send + Sync + 'static {
    /// How many records it holds, those that cannot be decoded included.
    fn records(&self) -> u64;

    /// How much memory it takes, in bytes: the job's budget pays for it.
    fn size(&self) -> usize;

    /// Reads the records from the first; the same ones each time. What cannot be decoded goes to `rejects`.
    ///
    /// # Errors
    /// Where the block as a whole is no good.
    fn open(&self, rejects: &Rejects, task: &TaskContext) -> Result<Box<dyn Chunks<T>>>;

    /// Appends what its [`maker`](Self::maker) needs to make it again: the buffer, as a rule.
    ///
    /// # Errors
    /// Where it cannot be written down. It stays in memory then, and the receiver waits until there is room.
    fn encode(&self, out: &mut Vec<u8>) -> Result<()>;

    /// Makes it again. It stays in memory while the block is on disk, so it holds what is not in the bytes and is shared by
    /// many blocks, such as a decoder.
    fn maker(&self) -> BlockMaker<T>;
}

/// Makes an [`InputBlock`] of the bytes that its `encode` gave.
pub type BlockMaker<T> = Arc<dyn Fn(Bytes) -> Result<Arc<dyn InputBlock<T>>> + Send + Sync>;

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

    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        (**self).encode(out)
    }

    fn maker(&self) -> BlockMaker<T> {
        (**self).maker()
    }
}

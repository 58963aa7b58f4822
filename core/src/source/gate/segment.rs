//! A block that takes no more records, and how a task reads it.

use std::sync::Arc;

use super::run::{Run, RunChunks};
use crate::data::{Chunk, Chunks, Kept, Wire};
use crate::memory::Reservation;
use crate::rdd::Rejects;
use crate::runtime::TaskContext;
use crate::source::block::InputBlock;
use crate::words::{BatchTime, Result};

/// A part of a block: records as they came, a buffer of them, or what of both went to disk.
pub(crate) enum Segment<T> {
    Records(Arc<Vec<T>>),
    Block(Arc<dyn InputBlock<T>>),
    Spilled(Arc<Run<T>>),
}

impl<T> Clone for Segment<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Records(records) => Self::Records(Arc::clone(records)),
            Self::Block(block) => Self::Block(Arc::clone(block)),
            Self::Spilled(run) => Self::Spilled(Arc::clone(run)),
        }
    }
}

/// A block that takes no more records.
pub(crate) struct Sealed<T> {
    pub(super) number: u64,
    /// The batch it was cut for; none until the next tick.
    pub(super) batch: Option<BatchTime>,
    pub(crate) segments: Vec<Segment<T>>,
    pub(crate) records: u64,
    /// Given back when the block is dropped.
    pub(super) paid: Option<Reservation>,
}

impl<T: Wire> Sealed<T> {
    /// Reads its records from the first, in the order in which they came.
    pub(crate) fn open(self: &Arc<Self>, rejects: &Rejects, task: &TaskContext) -> Box<dyn Chunks<T>> {
        Box::new(SealedChunks {
            block: Arc::clone(self),
            at: 0,
            current: None,
            finished: false,
            rejects: rejects.clone(),
            task: task.clone(),
        })
    }
}

/// The segments of a block, one behind the other.
struct SealedChunks<T> {
    block: Arc<Sealed<T>>,
    at: usize,
    current: Option<Box<dyn Chunks<T>>>,
    finished: bool,
    rejects: Rejects,
    task: TaskContext,
}

impl<T: Wire> SealedChunks<T> {
    fn open_next(&mut self) -> Result<bool> {
        let Some(segment) = self.block.segments.get(self.at) else { return Ok(false) };
        self.at += 1;
        self.current = Some(match segment {
            Segment::Records(records) => Box::new(Kept { records: Arc::clone(records), at: 0 }),
            Segment::Block(block) => InputBlock::open(&**block, &self.rejects, &self.task)?,
            Segment::Spilled(run) => Box::new(RunChunks::open(run, &self.rejects, &self.task)?),
        });
        Ok(true)
    }
}

impl<T: Wire> Chunks<T> for SealedChunks<T> {
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        // A finished segment is let go at the next pull: what it lent must be given back first.
        if self.finished {
            (self.current, self.finished) = (None, false);
        }
        if self.current.is_none() && !self.open_next()? {
            return Ok(None);
        }
        let Some(current) = &mut self.current else { return Ok(None) };
        let chunk = current.next()?;
        self.finished = chunk.is_none();
        Ok(Some(chunk.unwrap_or(Chunk::Ref(&[]))))
    }

    fn count_rest(&mut self) -> Result<u64> {
        let mut count = 0;
        if std::mem::take(&mut self.finished) {
            self.current = None;
        }
        while self.current.is_some() || self.open_next()? {
            if let Some(current) = &mut self.current {
                count += current.count_rest()?;
            }
            self.current = None;
        }
        Ok(count)
    }
}

//! Records of a window that an earlier run has written down.

use std::sync::Arc;

use crate::data::{Chunk, Chunks};
use crate::rdd::{Job, Node, Part};
use crate::runtime::{Site, TaskContext};
use crate::words::{Error, Result};

/// The window that has them: for the error of what cannot be read back.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) uid: Arc<str>,
    pub(super) site: Site,
}

impl Window {
    /// The error of what is of another type than what was written, with what to do.
    pub(super) fn unreadable(&self, error: Error) -> Error {
        let Error::Wire { .. } = error else { return error };
        Error::State(format!(
            "the window `{}` of {} cannot be read back: {}; where the type of what it keeps has changed, begin another \
             window under another uid",
            self.uid,
            self.site,
            error.chain()
        ))
    }
}

/// A batch that was read back; its records are decoded each time that a window is read.
pub(super) struct Restored<N> {
    pub(super) stored: N,
    pub(super) window: Window,
}

impl<T: 'static, N: Node<T>> Node<T> for Restored<N> {
    fn partitions(&self) -> usize {
        self.stored.partitions()
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        self.stored.owner(partition, members)
    }

    fn keyed(&self) -> bool {
        self.stored.keyed()
    }

    fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        self.stored.prepare(job)
    }

    fn open(&self, partition: usize, task: &TaskContext) -> Result<Part<T>> {
        Ok(Box::new(Reading { part: self.stored.open(partition, task)?, window: self.window.clone() }))
    }
}

struct Reading<T> {
    part: Part<T>,
    window: Window,
}

impl<T> Chunks<T> for Reading<T> {
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        self.part.next().map_err(|error| self.window.unreadable(error))
    }
}

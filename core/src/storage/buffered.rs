//! Staging for a storage that has no better way.

use std::io;
use std::sync::Arc;

use super::{Put, PutMode, Staged, Storage};
use crate::words::Result;

/// A [`Staged`] object that is kept in memory and put when it is published.
#[derive(Debug)]
pub struct BufferedStage {
    storage: Arc<dyn Storage>,
    path: String,
    bytes: Vec<u8>,
}

impl BufferedStage {
    /// Starts an object that will be put at `path` of `storage`; the caller has checked the path.
    pub fn new(storage: Arc<dyn Storage>, path: &str) -> Self {
        Self { storage, path: path.into(), bytes: Vec::new() }
    }
}

impl io::Write for BufferedStage {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Staged for BufferedStage {
    fn publish(self: Box<Self>, mode: PutMode) -> Result<Put> {
        self.storage.put(&self.path, &self.bytes, mode)
    }
}

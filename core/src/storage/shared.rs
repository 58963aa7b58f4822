//! A storage that is shared.

use std::ops::Range;
use std::sync::Arc;

use super::{Entry, Log, Put, PutMode, Staged, Storage};
use crate::words::{Epoch, Result};

/// The same storage: for who is given one that others hold too.
impl<S: Storage + ?Sized> Storage for Arc<S> {
    fn put(&self, path: &str, bytes: &[u8], mode: PutMode) -> Result<Put> {
        (**self).put(path, bytes, mode)
    }

    fn get(&self, path: &str, part: Option<Range<u64>>) -> Result<Option<Vec<u8>>> {
        (**self).get(path, part)
    }

    fn list(&self, prefix: &str, after: &str, max: usize) -> Result<Vec<Entry>> {
        (**self).list(prefix, after, max)
    }

    fn delete(&self, path: &str) -> Result<()> {
        (**self).delete(path)
    }

    fn stage(&self, path: &str) -> Result<Box<dyn Staged>> {
        (**self).stage(path)
    }

    fn promote(&self, from: &str, to: &str) -> Result<()> {
        (**self).promote(from, to)
    }

    fn log(&self, path: &str, epoch: Epoch) -> Result<Box<dyn Log>> {
        (**self).log(path, epoch)
    }

    fn read_log(&self, path: &str, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        (**self).read_log(path, each)
    }

    fn delete_log(&self, path: &str) -> Result<()> {
        (**self).delete_log(path)
    }
}

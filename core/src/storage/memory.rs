//! Objects in memory: for tests, and for jobs that need not survive their process.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, Range};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{BufferedStage, Entry, Log, Put, PutMode, SegmentLog, Staged, Storage, check_storage_path};
use crate::words::{Epoch, Result};

/// A [`Storage`] in memory, which behaves as an object store does: puts and listings, no rename.
///
/// Clones share their objects. "Durable" means here: as long as one clone is alive.
#[derive(Clone, Default)]
pub struct MemoryStorage {
    shared: Arc<Mutex<Objects>>,
}

#[derive(Default)]
struct Objects {
    by_path: BTreeMap<String, Object>,
    puts: u64,
}

struct Object {
    // Shared, so that a large object is copied outside the lock.
    bytes: Arc<[u8]>,
    version: u64,
}

impl MemoryStorage {
    /// An empty storage.
    pub fn new() -> Self {
        Self::default()
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The bytes would drown a message.
        f.debug_struct("MemoryStorage").field("objects", &self.shared.lock().by_path.len()).finish()
    }
}

impl Storage for MemoryStorage {
    fn put(&self, path: &str, bytes: &[u8], mode: PutMode) -> Result<Put> {
        check_storage_path(path)?;
        let bytes = Arc::from(bytes);
        let mut objects = self.shared.lock();
        if mode == PutMode::IfAbsent && objects.by_path.contains_key(path) {
            return Ok(Put::Exists);
        }
        objects.puts += 1;
        let version = objects.puts;
        objects.by_path.insert(path.into(), Object { bytes, version });
        Ok(Put::Done)
    }

    fn get(&self, path: &str, part: Option<Range<u64>>) -> Result<Option<Vec<u8>>> {
        check_storage_path(path)?;
        let found = self.shared.lock().by_path.get(path).map(|object| Arc::clone(&object.bytes));
        Ok(found.map(|bytes| match part {
            None => bytes.to_vec(),
            Some(part) => {
                let end = part.end.min(bytes.len() as u64);
                bytes.get(part.start as usize..end as usize).unwrap_or_default().to_vec()
            }
        }))
    }

    fn list(&self, prefix: &str, after: &str, max: usize) -> Result<Vec<Entry>> {
        let start = if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
        let objects = self.shared.lock();
        let behind = objects.by_path.range::<str, _>((start, Bound::Unbounded));
        Ok(behind
            .take_while(|(path, _)| path.starts_with(prefix))
            .take(max)
            .map(|(path, object)| Entry {
                path: path.clone(),
                bytes: object.bytes.len() as u64,
                version: Some(object.version.to_string()),
            })
            .collect())
    }

    fn delete(&self, path: &str) -> Result<()> {
        check_storage_path(path)?;
        self.shared.lock().by_path.remove(path);
        Ok(())
    }

    fn stage(&self, path: &str) -> Result<Box<dyn Staged>> {
        check_storage_path(path)?;
        Ok(Box::new(BufferedStage::new(Arc::new(self.clone()), path)))
    }

    fn log(&self, path: &str, epoch: Epoch) -> Result<Box<dyn Log>> {
        Ok(Box::new(SegmentLog::open(Arc::new(self.clone()), path, epoch)?))
    }
}

//! A storage that fails when it is told to.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::words::{Epoch, Error, Result, Retry};
use crate::{BufferedStage, Log, Put, PutMode, SegmentLog, Staged, Storage, StorageEntry};

/// A kind of call to a [`Storage`].
///
/// Publishing a staged object and syncing a log are puts, and reading or deleting a log is made of the other calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// [`Storage::put`], a publication, a sync.
    Put,
    /// [`Storage::get`].
    Get,
    /// [`Storage::list`].
    List,
    /// [`Storage::delete`].
    Delete,
    /// [`Storage::promote`].
    Promote,
}

/// Wraps a storage and fails when it is told to; clones share their counts and faults.
///
/// Calls count from 0, each kind by itself, from the making of the wrapper.
///
/// # Examples
///
/// What a crash at every single call leaves behind:
///
/// ```
/// use std::sync::Arc;
/// use tidemill::testing::storage::FailingStorage;
/// use tidemill::{MemoryStorage, PutMode, Storage};
///
/// for crash in 0.. {
///     let disk = Arc::new(MemoryStorage::new());
///     let storage = FailingStorage::new(disk.clone());
///     storage.crash_at(crash);
///
///     let done = storage
///         .put("new", b"2", PutMode::Replace)
///         .and_then(|_| storage.delete("old"));
///
///     // ... assert here what holds on `disk` after a crash ...
///     if done.is_ok() {
///         assert_eq!(storage.calls(), 2);
///         break;
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct FailingStorage {
    inner: Arc<dyn Storage>,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
    counts: [u64; 5],
    before: Vec<(Call, u64)>,
    after: Vec<(Call, u64)>,
    crash_at: Option<u64>,
    bytes_left: Option<u64>,
}

impl Plan {
    fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl FailingStorage {
    /// Wraps `inner`; nothing fails yet.
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self { inner, plan: Arc::default() }
    }

    /// The `nth` call of this kind fails and does nothing; those behind it work again.
    pub fn fail(&self, call: Call, nth: u64) {
        self.plan.lock().before.push((call, nth));
    }

    /// The `nth` call of this kind does its work and reports a failure all the same, as when an answer is lost.
    pub fn fail_after(&self, call: Call, nth: u64) {
        self.plan.lock().after.push((call, nth));
    }

    /// The `nth` call of any kind and all behind it fail and do nothing, as when the process ends there.
    pub fn crash_at(&self, nth: u64) {
        self.plan.lock().crash_at = Some(nth);
    }

    /// Once `bytes` more were put, every put that does not fit fails: the disk is full.
    pub fn full_after(&self, bytes: u64) {
        self.plan.lock().bytes_left = Some(bytes);
    }

    /// Takes back every fault; counts go on.
    pub fn heal(&self) {
        let mut plan = self.plan.lock();
        *plan = Plan { counts: plan.counts, ..Plan::default() };
    }

    /// How many calls of all kinds there were.
    pub fn calls(&self) -> u64 {
        self.plan.lock().total()
    }

    /// How many calls of this kind there were.
    pub fn calls_of(&self, call: Call) -> u64 {
        self.plan.lock().counts[call as usize]
    }

    fn call<T>(&self, call: Call, path: &str, bytes: usize, run: impl FnOnce() -> Result<T>) -> Result<T> {
        let failed = |kind: io::ErrorKind, text: &str| Error::Storage {
            action: match call {
                Call::Put => "put",
                Call::Get => "get",
                Call::List => "list",
                Call::Delete => "delete",
                Call::Promote => "promote",
            },
            path: path.into(),
            retry: Retry::WithBackoff,
            source: io::Error::new(kind, text).into(),
        };
        let lost = {
            let mut plan = self.plan.lock();
            let (total, nth) = (plan.total(), plan.counts[call as usize]);
            plan.counts[call as usize] += 1;
            if plan.crash_at.is_some_and(|crash| total >= crash) {
                return Err(failed(io::ErrorKind::BrokenPipe, "the process is meant to be dead"));
            }
            if plan.before.contains(&(call, nth)) {
                return Err(failed(io::ErrorKind::Other, "a failure on purpose"));
            }
            if let (Call::Put, Some(left)) = (call, &mut plan.bytes_left) {
                match left.checked_sub(bytes as u64) {
                    Some(rest) => *left = rest,
                    None => return Err(failed(io::ErrorKind::StorageFull, "no space is left, on purpose")),
                }
            }
            plan.after.contains(&(call, nth))
        };
        // Not under the lock: it is the inner storage whose threads are tested.
        let done = run()?;
        if lost { Err(failed(io::ErrorKind::TimedOut, "the answer is lost, on purpose")) } else { Ok(done) }
    }
}

impl Storage for FailingStorage {
    fn put(&self, path: &str, bytes: &[u8], mode: PutMode) -> Result<Put> {
        self.call(Call::Put, path, bytes.len(), || self.inner.put(path, bytes, mode))
    }

    fn get(&self, path: &str, part: Option<Range<u64>>) -> Result<Option<Vec<u8>>> {
        self.call(Call::Get, path, 0, || self.inner.get(path, part))
    }

    fn list(&self, prefix: &str, after: &str, max: usize) -> Result<Vec<StorageEntry>> {
        self.call(Call::List, prefix, 0, || self.inner.list(prefix, after, max))
    }

    fn delete(&self, path: &str) -> Result<()> {
        self.call(Call::Delete, path, 0, || self.inner.delete(path))
    }

    fn stage(&self, path: &str) -> Result<Box<dyn Staged>> {
        crate::check_storage_path(path)?;
        Ok(Box::new(BufferedStage::new(Arc::new(self.clone()), path)))
    }

    fn promote(&self, from: &str, to: &str) -> Result<()> {
        self.call(Call::Promote, from, 0, || self.inner.promote(from, to))
    }

    fn log(&self, path: &str, epoch: Epoch) -> Result<Box<dyn Log>> {
        Ok(Box::new(SegmentLog::open(Arc::new(self.clone()), path, epoch)?))
    }
}

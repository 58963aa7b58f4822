//! Where a job keeps what must outlive it: objects under paths.

use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::words::{Epoch, Error, Result, Retry};

mod path;
pub mod envelope;
pub(crate) mod claim;
pub(crate) mod frames;
mod buffered;
mod log;
mod memory;
mod shared;
mod file;

pub use self::buffered::BufferedStage;
pub use self::file::FileStorage;
pub use self::log::SegmentLog;
pub use self::memory::MemoryStorage;
pub use self::path::check_storage_path;

/// Whether an existing object may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PutMode {
    /// The last writer wins.
    Replace,
    /// The first writer wins: the only coordination that a checkpoint needs.
    IfAbsent,
}

/// What became of a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "under `IfAbsent` somebody else may have been first"]
pub enum Put {
    /// The object is whole, visible and durable.
    Done,
    /// Somebody was first; nothing was written.
    Exists,
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Its path.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Changes with the content: an etag, or length and modification time. `None`: unknown.
    pub version: Option<String>,
}

/// Objects under paths: what a folder, HDFS, S3 and its kin have in common.
///
/// The ledger, the state and the sinks that write files call it, from threads that may block; nothing here is called
/// on a tokio thread. Because it must fit an object store, there is no append, no folder and no lock: everything that
/// has to be agreed upon is agreed upon by [`PutMode::IfAbsent`].
///
/// A path is relative, its parts separated by `/`; [`check_storage_path`] says what is refused. No object's path is
/// the folder of another one's (`a` beside `a/b`), since a folder could not hold both.
///
/// A handle is cheap to clone or stands in an [`Arc`]; what [`stage`](Self::stage) and [`log`](Self::log) give owns
/// what it needs and may outlive the borrow.
///
/// # What a storage promises
///
/// 1. **Whole.** An object is there with all its bytes or not at all, for every reader and after every crash.
/// 2. **Durable.** What `put`, `publish`, `promote` or `sync` reported as done survives a crash of the machine.
/// 3. **One winner.** Of any number of `IfAbsent` puts on one path, from any processes, exactly one is
///    [`Put::Done`], and its bytes stay. [`Put::Exists`] is just as durable.
/// 4. **Read after write.** What is done is seen by every `get` and `list` that starts afterwards.
/// 5. **In order.** `list` gives paths in the order of their bytes, without holes, so that a page can go on behind
///    the last path of the one before. What is put or deleted meanwhile may or may not be in it.
/// 6. **Nothing half-done shows.** What is staged and not published is in no listing, and goes away by itself.
///
/// After an *error*, a put may have happened or not; whoever needs to know reads the object. A `delete` may come
/// undone when the machine crashes: what is deleted must be harmless when it comes back.
///
/// `tidemill::testing::storage` holds an implementation to all this.
///
/// # Examples
///
/// ```
/// use tidemill::{MemoryStorage, Put, PutMode, Storage as _};
///
/// let storage = MemoryStorage::new();
/// assert_eq!(storage.put("ledger/1", b"mine", PutMode::IfAbsent)?, Put::Done);
/// assert_eq!(storage.put("ledger/1", b"yours", PutMode::IfAbsent)?, Put::Exists);
/// assert_eq!(storage.get("ledger/1", None)?.as_deref(), Some(&b"mine"[..]));
/// # Ok::<(), tidemill::Error>(())
/// ```
pub trait Storage: Debug + Send + Sync + 'static {
    /// Writes an object; it is durable when this returns [`Put::Done`].
    ///
    /// For what is small. Something large is [staged](Self::stage).
    ///
    /// # Errors
    /// [`Error::Storage`] where the path is refused or the system fails.
    fn put(&self, path: &str, bytes: &[u8], mode: PutMode) -> Result<Put>;

    /// Reads an object, or a part of it in bytes; `None` where there is none.
    ///
    /// A part that goes beyond the end is cut there, so `Some(0..0)` asks whether the object exists.
    ///
    /// # Errors
    /// [`Error::Storage`] where the path is refused or the system fails.
    fn get(&self, path: &str, part: Option<Range<u64>>) -> Result<Option<Vec<u8>>>;

    /// The first `max` objects whose path starts with `prefix` and lies behind `after`, in order of path.
    ///
    /// `prefix` is text, not a folder: `log/0` finds `log/01`. `after` is `""` for the first page.
    ///
    /// # Errors
    /// [`Error::Storage`] where the system fails. A prefix under which nothing can be is an empty listing.
    fn list(&self, prefix: &str, after: &str, max: usize) -> Result<Vec<Entry>>;

    /// Removes an object; removing what is not there is fine.
    ///
    /// # Errors
    /// [`Error::Storage`] where the path is refused or the system fails.
    fn delete(&self, path: &str) -> Result<()>;

    /// Starts a large object that nobody sees before [`Staged::publish`].
    ///
    /// A temporary file and a rename, a multipart upload, or [`BufferedStage`] where there is neither.
    ///
    /// # Errors
    /// [`Error::Storage`] where the path is refused or the system fails.
    fn stage(&self, path: &str) -> Result<Box<dyn Staged>>;

    /// Shows the object at `from` under `to`, replacing what is there, and removes `from`.
    ///
    /// A sink calls it after the commit of a batch, and again after a crash: that `from` is gone and `to` is there is
    /// fine. Here: read, put, delete; overridden where there is a rename.
    ///
    /// # Errors
    /// [`Error::Storage`] where the system fails, or where neither object is there.
    fn promote(&self, from: &str, to: &str) -> Result<()> {
        if let Some(bytes) = self.get(from, None)? {
            let _: Put = self.put(to, &bytes, PutMode::Replace)?;
            return self.delete(from);
        }
        match self.get(to, Some(0..0))? {
            Some(_) => Ok(()),
            None => Err(nothing_to_promote(from)),
        }
    }

    /// Opens a log of records as its only writer, behind what was written before.
    ///
    /// A writer of an older epoch is **fenced**: its next [`Log::sync`] fails and none of what it held is ever read.
    /// The same goes for an earlier writer of the same epoch. Implementations without a better way return a
    /// [`SegmentLog`].
    ///
    /// # Errors
    /// [`Error::Fenced`] where a writer of a newer epoch was here; [`Error::Storage`] where the system fails.
    fn log(&self, path: &str, epoch: Epoch) -> Result<Box<dyn Log>>;

    /// Gives every synced record of the log to `each`, oldest first; a log that is not there has none.
    ///
    /// # Errors
    /// What `each` returns; [`Error::Corrupt`] where a record is damaged or missing; [`Error::Storage`] where the
    /// system fails.
    fn read_log(&self, path: &str, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        log::read(self, path, each)
    }

    /// Removes a whole log; repeatable. Somebody who still writes to it is fenced.
    ///
    /// # Errors
    /// [`Error::Storage`] where the system fails.
    fn delete_log(&self, path: &str) -> Result<()> {
        log::delete(self, path)
    }
}

/// A large object on its way: written in pieces, visible when published, gone when dropped.
///
/// It is made and finished within one try of a task. A crash in between leaves nothing that a reader can see.
pub trait Staged: io::Write + Send {
    /// Makes the object visible, whole and durable.
    ///
    /// # Errors
    /// [`Error::Storage`] where the system fails; it may then be visible or not, as after a put.
    fn publish(self: Box<Self>, mode: PutMode) -> Result<Put>;
}

/// The writing end of a log: many appends, one sync.
///
/// Receivers with a write-ahead log append what they received and acknowledge it to their source after the sync.
pub trait Log: Send {
    /// Adds a record, which may be lost until [`sync`](Self::sync) returns.
    ///
    /// # Errors
    /// [`Error::Storage`] where the system fails or the record is larger than 4 GiB.
    fn append(&mut self, record: &[u8]) -> Result<()>;

    /// Makes all that was appended durable.
    ///
    /// After [`Error::Storage`] nothing is lost yet: the records are kept, and the next sync tries again.
    ///
    /// # Errors
    /// [`Error::Fenced`] where another writer took over; [`Error::Storage`] where the system fails.
    fn sync(&mut self) -> Result<()>;
}

/// Opens the storage that a checkpoint directory or an output names.
///
/// A plain path and `file:///path` are a folder ([`FileStorage`]), taken as they are: `%20` is not a space.
/// `memory://` is a new, empty [`MemoryStorage`].
///
/// # Errors
/// [`Error::Setting`] for any other scheme: give the job a storage of that system's connector instead.
///
/// # Examples
///
/// ```
/// assert!(tidemill::open_storage("memory://").is_ok());
/// let error = tidemill::open_storage("tape://reel/7").unwrap_err();
/// assert!(error.to_string().contains("`file:///path`"), "{error}");
/// ```
pub fn open_storage(url: &str) -> Result<Arc<dyn Storage>> {
    let unknown = |expected: &str| {
        Err(Error::Setting {
            key: "storage url".into(),
            value: format!("`{url}`"),
            expected: expected.into(),
        })
    };
    match url.split_once("://") {
        None if url.is_empty() => unknown("a path, `file:///path` or `memory://`"),
        None => Ok(Arc::new(FileStorage::new(url)?)),
        Some(("file", path)) if path.starts_with('/') => Ok(Arc::new(FileStorage::new(path)?)),
        Some(("file", _)) => unknown("an absolute path behind three slashes, as in `file:///path`"),
        Some(("memory", "")) => Ok(Arc::new(MemoryStorage::new())),
        Some(_) => unknown(
            "a path, `file:///path` or `memory://`, the kinds this build knows; for others give the job a `Storage` \
             of the system's connector",
        ),
    }
}

pub(crate) fn failed(action: &'static str, path: impl Into<String>, source: io::Error) -> Error {
    use io::ErrorKind as Kind;
    // A full disk may be cleared and a lost mount may come back; these need a human with another setting.
    let retry = match source.kind() {
        Kind::PermissionDenied
        | Kind::InvalidInput
        | Kind::InvalidFilename
        | Kind::NotADirectory
        | Kind::IsADirectory
        | Kind::CrossesDevices
        | Kind::ReadOnlyFilesystem
        | Kind::Unsupported => Retry::Never,
        _ => Retry::WithBackoff,
    };
    Error::Storage { action, path: path.into(), retry, source: source.into() }
}

fn nothing_to_promote(from: &str) -> Error {
    Error::Storage {
        action: "promote",
        path: from.into(),
        retry: Retry::Never,
        source: "neither the staged object nor its final name is there".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_scheme_is_refused_with_the_known_ones() {
        for url in ["s3://bucket/job", "", "file://relative", "memory://named"] {
            let error = open_storage(url).unwrap_err();
            assert!(matches!(error, Error::Setting { .. }), "{error:?}");
        }
        let text = open_storage("s3://bucket/job").unwrap_err().to_string();
        assert!(
            text.contains("file:///path") && text.contains("memory://") && text.contains("s3://"),
            "{text}"
        );
    }

    #[test]
    fn a_path_and_its_file_url_are_the_same_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();

        let by_path = open_storage(path).unwrap();
        let by_url = open_storage(&format!("file://{path}")).unwrap();
        assert_eq!(by_path.put("a", b"1", PutMode::Replace).unwrap(), Put::Done);

        assert_eq!(by_url.get("a", None).unwrap(), Some(b"1".to_vec()));
    }
}

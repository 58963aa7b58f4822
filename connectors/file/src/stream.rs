//! What a user can set.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::look::Filter;
use crate::read::{BinaryRecords, OnBroken, TextLines};

/// Where a stream finds its files, what they mean, and which of them it reads.
///
/// The path names a folder, whose files are the stream's. It may be a glob, with `*`, `?`, `[a-z]`, `[!a-z]` and `{a,b}` in any
/// of its parts: all folders that match, and files that match the last part, unless a slash stands behind it.
///
/// ```
/// use std::time::Duration;
/// use tidemill_file::FileStream;
///
/// let logs = FileStream::text("/in/20*/app-*.log")
///     .new_files_only(false)
///     .filter(|path| path.extension().is_some_and(|end| end == "log"))
///     .settle(Duration::from_secs(2));
/// assert_eq!(logs.to_string(), "/in/20*/app-*.log");
/// ```
#[derive(Clone)]
pub struct FileStream<F> {
    pub(crate) path: PathBuf,
    pub(crate) format: F,
    pub(crate) new_files_only: bool,
    pub(crate) nested: bool,
    pub(crate) filter: Option<Arc<Filter>>,
    pub(crate) on_change: OnChange,
    pub(crate) on_broken: OnBroken,
    pub(crate) part_bytes: u64,
    pub(crate) remember: Option<Duration>,
    pub(crate) settle: Duration,
    pub(crate) watch: bool,
}

/// What happens about a file that was read and has another length later: it was appended to, or written anew. People are
/// told in any case, by an `InputWarning` that names the file and both lengths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnChange {
    /// It is left alone, as in Spark: what was read once is not read again, and appended lines are not read at all.
    #[default]
    Ignore,
    /// It is read again as a whole, once it is at rest.
    Read,
    /// The batch fails, and with it the job, where files must never change.
    Error,
}

/// Settings that a constant stands for; they are the same for every format.
impl FileStream<()> {
    /// The bytes of a partition unless told otherwise: 32 MiB, as Spark splits files of the local file system. A task of
    /// that size takes some tens of milliseconds, far more than what a task costs, and a file of 1 GB keeps 32 threads busy.
    pub const DEFAULT_PART_BYTES: u64 = 32 << 20;

    /// How long a file must stay as it is unless told otherwise: 200 ms, longer than the pauses of a program that writes a
    /// file in one go, and shorter than most batches, so that it costs one batch at most.
    pub const DEFAULT_SETTLE: Duration = Duration::from_millis(200);
}

impl FileStream<TextLines> {
    /// The lines of the files that `path` leads to.
    pub fn text(path: impl Into<PathBuf>) -> Self {
        Self::new(path, TextLines::new())
    }
}

impl FileStream<BinaryRecords> {
    /// Records of `record_length` bytes each, of the files that `path` leads to.
    pub fn binary_records(path: impl Into<PathBuf>, record_length: u32) -> Self {
        Self::new(path, BinaryRecords::new(record_length))
    }
}

impl<F> FileStream<F> {
    /// The records that `format` makes of the files that `path` leads to, everything else at its default.
    pub fn new(path: impl Into<PathBuf>, format: F) -> Self {
        Self {
            path: path.into(),
            format,
            new_files_only: true,
            nested: false,
            filter: None,
            on_change: OnChange::default(),
            on_broken: OnBroken::default(),
            part_bytes: FileStream::DEFAULT_PART_BYTES,
            remember: None,
            settle: FileStream::DEFAULT_SETTLE,
            watch: true,
        }
    }

    /// Whether files that lie there already when the job starts for the first time are left out. They are known by their
    /// names and lengths, not by a clock, so a file that is moved in later is new however old it is. Default: true, as with
    /// Spark's `textFileStream`.
    #[must_use]
    pub fn new_files_only(mut self, only: bool) -> Self {
        self.new_files_only = only;
        self
    }

    /// Whether folders within the folders are read too, to any depth. Links to folders are not followed there: so there are
    /// no loops, and no file comes under two names. Default: false: a job says what it reads.
    #[must_use]
    pub fn nested(mut self, nested: bool) -> Self {
        self.nested = nested;
        self
    }

    /// Reads only the files of which `filter` says true; it is asked with the whole path, at every look until the file is
    /// known. Names that begin with `.` or `_` are left out in any case. Default: all files.
    #[must_use]
    pub fn filter(mut self, filter: impl Fn(&Path) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Some(Arc::new(filter));
        self
    }

    /// What happens about a file that was read and has another length later. Default: [`OnChange::Ignore`], as in Spark.
    #[must_use]
    pub fn on_change(mut self, on_change: OnChange) -> Self {
        self.on_change = on_change;
        self
    }

    /// What happens where a file turns out to be damaged, or cannot be read any more when its batch runs. Default:
    /// [`OnBroken::Reject`]: one bad file among many should not stop a job, and it is reported.
    #[must_use]
    pub fn on_broken(mut self, on_broken: OnBroken) -> Self {
        self.on_broken = on_broken;
        self
    }

    /// About how many bytes a partition has at most: a larger file is read in several partitions, unless it is compressed or
    /// its format cannot be split. Default: [`DEFAULT_PART_BYTES`](FileStream::DEFAULT_PART_BYTES), 32 MiB.
    #[must_use]
    pub fn part_bytes(mut self, bytes: u64) -> Self {
        self.part_bytes = bytes;
        self
    }

    /// How long a file that has gone stays known: if it comes back in this time it is the same file, and later a new one.
    /// Default: `tidemill.streaming.file_stream.min_remember_duration`, 1 min.
    #[must_use]
    pub fn remember(mut self, remember: Duration) -> Self {
        self.remember = Some(remember);
        self
    }

    /// For how long a new file must keep its length and time before it is read, so that none is read in half. It does not
    /// wait where it is known to be complete: it was moved in, it was closed by who wrote it, or its content is older than
    /// its name. Raise it where files are written with longer pauses, and on network file systems above the time for which
    /// they keep what they know of a file (often 3 s). Zero reads every file as it is found. Default:
    /// [`DEFAULT_SETTLE`](FileStream::DEFAULT_SETTLE), 200 ms.
    #[must_use]
    pub fn settle(mut self, settle: Duration) -> Self {
        self.settle = settle;
        self
    }

    /// Whether the system is asked to tell when files are closed or moved in (inotify), so that these need not settle. Not
    /// necessary for anything: where it tells nothing, as on network file systems, files that are written in place come a
    /// batch later. Default: true.
    #[must_use]
    pub fn watch(mut self, watch: bool) -> Self {
        self.watch = watch;
        self
    }
}

impl<F> FileStream<F> {
    /// The settings and the format apart.
    pub(crate) fn without_format(self) -> (FileStream<()>, F) {
        let stream = FileStream {
            path: self.path,
            format: (),
            new_files_only: self.new_files_only,
            nested: self.nested,
            filter: self.filter,
            on_change: self.on_change,
            on_broken: self.on_broken,
            part_bytes: self.part_bytes,
            remember: self.remember,
            settle: self.settle,
            watch: self.watch,
        };
        (stream, self.format)
    }
}

/// The path, as it was given.
impl<F> fmt::Display for FileStream<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

impl<F> fmt::Debug for FileStream<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStream").field("path", &self.path).finish_non_exhaustive()
    }
}

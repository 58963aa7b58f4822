//! What a format reads from.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tidemill::{Rejected, Rejects, TaskContext};

use super::codec::Codec;
use super::error::ReadError;
use super::open::PlannedFile;
use crate::part::FilePart;

/// What is known of a file while it is read, shared by those who read it and him who decides about its errors.
pub(super) struct Watch {
    path: PathBuf,
    name: Arc<str>,
    // How far the (decompressed) content was read.
    position: AtomicU64,
    failure: Mutex<Option<ReadError>>,
    pub(super) rejects: Rejects,
    pub(super) task: TaskContext,
}

impl Watch {
    pub(super) fn new(part: &FilePart, rejects: &Rejects, task: &TaskContext) -> Arc<Self> {
        Arc::new(Self {
            path: part.file.path.clone(),
            name: part.file.path.to_string_lossy().into(),
            position: AtomicU64::new(part.from),
            failure: Mutex::new(None),
            rejects: rejects.clone(),
            task: task.clone(),
        })
    }

    /// Where reading has come to.
    pub(super) fn here(&self) -> String {
        self.at(self.position.load(Ordering::Relaxed))
    }

    fn at(&self, byte: u64) -> String {
        format!("{}, byte {byte}", self.name)
    }

    /// Keeps the first failure; what is given on only has to end the reading.
    pub(super) fn failed(&self, error: ReadError) -> tidemill::Error {
        self.failure.lock().get_or_insert(error);
        tidemill::Error::new("the file cannot be read on")
    }

    /// The system failed below the decoder.
    pub(super) fn lost(&self, error: &io::Error) -> io::Error {
        // An error cannot be cloned; its number says it all where it has one.
        let copy = || match error.raw_os_error() {
            Some(number) => io::Error::from_raw_os_error(number),
            None => error.kind().into(),
        };
        self.failed(ReadError::Read { at: self.here(), source: copy() });
        copy()
    }

    /// The decoder failed, unless it was the system below it.
    fn damaged(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        self.failed(ReadError::Damaged { at: self.here(), source: error });
        kind.into()
    }

    pub(super) fn take_failure(&self) -> Option<ReadError> {
        self.failure.lock().take()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("name", &self.name)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// The bytes of a part of a file, decompressed where the file is compressed, from its first byte to the end of the *file*: a
/// record belongs to the part in which it begins, and may end behind it.
///
/// It is a [`Read`] with a place. After an error the file is over; whoever reads gives the error on.
pub struct FileReader {
    bytes: Box<dyn Read>,
    from: u64,
    to: Option<u64>,
    before: Option<u8>,
    left: Option<u64>,
    watch: Arc<Watch>,
}

impl FileReader {
    pub(super) fn open(part: &FilePart, watch: &Arc<Watch>) -> Result<Self, ReadError> {
        let (file, before) = PlannedFile::open(part, watch)?;
        let codec = Codec::of(&part.file.path);
        let plain = codec == Codec::None;
        Ok(Self {
            bytes: codec.decode(file),
            from: part.from,
            to: plain.then_some(part.to),
            before,
            left: plain.then_some(part.file.length.saturating_sub(part.from)),
            watch: Arc::clone(watch),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.watch.path
    }

    /// The first byte of the part, counted from the beginning of the file.
    pub fn from(&self) -> u64 {
        self.from
    }

    /// The byte behind the part: records that begin there belong to the next one. `None` where the part ends with the file,
    /// wherever that is, as in a compressed one.
    pub fn to(&self) -> Option<u64> {
        self.to
    }

    /// The byte before the part; `None` where the part begins with the file.
    pub fn before(&self) -> Option<u8> {
        self.before
    }

    /// The next byte that is read, counted from the beginning of the (decompressed) file.
    pub fn position(&self) -> u64 {
        self.watch.position.load(Ordering::Relaxed)
    }

    /// How many bytes are left to the end of the file, where that is known: not in a compressed one.
    pub fn left(&self) -> Option<u64> {
        self.left
    }

    /// Whether the file or its decoder has failed: what looks like an early end is none.
    pub fn failed(&self) -> bool {
        self.watch.failure.lock().is_some()
    }

    /// Reports a record that begins at byte `at` of the (decompressed) file and cannot be decoded.
    pub fn reject(&self, at: u64, error: impl Into<String>, bytes: impl Into<Bytes>) {
        self.watch.rejects.add(|| Rejected::new(self.watch.at(at), error, bytes));
    }

    pub(super) fn rejects(&self) -> &Rejects {
        &self.watch.rejects
    }

    pub(super) fn task(&self) -> &TaskContext {
        &self.watch.task
    }

    /// The path, for places.
    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.watch.name)
    }

    /// Reads until `out` is full or the file ends; says how much, and what ended it early. What came before an error counts,
    /// so that the same file gives the same records each time.
    pub(super) fn fill(&mut self, out: &mut [u8]) -> (usize, io::Result<()>) {
        let mut filled = 0;
        while filled < out.len() {
            match self.read(&mut out[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) => return (filled, Err(error)),
            }
        }
        (filled, Ok(()))
    }
}

impl Read for FileReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.watch.task.check().map_err(io::Error::other)?;
        let read = loop {
            match self.bytes.read(out) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(|error| self.watch.damaged(error))?,
            }
        };
        self.watch.position.fetch_add(read as u64, Ordering::Relaxed);
        self.left = self.left.map(|left| left.saturating_sub(read as u64));
        Ok(read)
    }
}

impl fmt::Debug for FileReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReader").field("at", &self.watch.here()).finish_non_exhaustive()
    }
}

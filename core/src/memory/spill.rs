//! Files for what does not fit into memory.

mod device;
mod pieces;

use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Take};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use self::device::Device;
pub(crate) use self::pieces::{Piece, PieceFrames, PieceWriter};
use super::budget::{Budget, Reservation};
use crate::storage::claim::{abandoned, claim, unique_name};
use crate::storage::envelope::Kind;
use crate::storage::failed;
use crate::storage::frames::{FRAME_BYTES, FrameReader, FrameWriter, HEADER_BYTES};
use crate::words::{Error, Result};

const KIND: Kind = *b"SPIL";
const VERSION: u16 = 1;

/// Starts the names of our folders, so that leftovers are told from what others keep there.
const FOLDER_PREFIX: &str = "tidemill-spill-";

/// A file in each folder, locked for as long as its process lives.
const LOCK: &str = "lock";

/// How often a folder is begun anew because its name is taken, or a sweep took it for a leftover.
const TRIES_MAX: usize = 100;

/// Large enough that a disk works in sequence, small enough that hundreds of partitions can spill at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// A folder of temporary files with a limit in bytes; clones share it.
///
/// The folder is made with the first file and removed when the last handle and file are gone. Files do not outlive
/// their process: what a dead one left under the same path is removed when a `Spill` is made. Nothing here is synced.
///
/// Its calls block: for task threads.
#[derive(Clone, Debug)]
pub(crate) struct Spill {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    under: PathBuf,
    disk: Budget,
    device: Device,
    folder: Mutex<Option<Folder>>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Spill {
    /// A spill with a folder of its own under `under`, for at most `disk_bytes_max` bytes.
    pub(crate) fn new(under: impl Into<PathBuf>, disk_bytes_max: u64) -> Self {
        let under = under.into();
        sweep(&under);
        Self {
            shared: Arc::new(Shared {
                under,
                disk: Budget::new(disk_bytes_max),
                device: Device::default(),
                folder: Mutex::default(),
            }),
        }
    }

    /// Whether nothing may ever be written.
    pub(crate) fn is_off(&self) -> bool {
        self.shared.disk.limit() == 0
    }

    /// Starts a file that is written chunk by chunk; `None` where the limit of the disk is reached.
    ///
    /// # Errors
    /// [`Error::Storage`] where the system fails.
    pub(crate) fn writer(&self) -> Result<Option<SpillWriter>> {
        let Some(reservation) = self.shared.disk.try_reserve(HEADER_BYTES as u64) else { return Ok(None) };
        let (file, owned) = self.create()?;
        let frames = FrameWriter::new(BufWriter::with_capacity(BUFFER_BYTES, file), KIND, VERSION)
            .map_err(|error| failed("spill to", shown(&owned.path), error))?;
        Ok(Some(SpillWriter { frames, chunks: 0, owned, reservation }))
    }

    /// A new file, which is removed whatever happens.
    fn create(&self) -> Result<(File, Owned)> {
        let folder = self.shared.folder();
        let path = folder.map_err(|error| failed("spill to", shown(&self.shared.under), error))?;
        let path = path.join(unique_name());
        let file = File::options().write(true).create_new(true).open(&path);
        let file = file.map_err(|error| failed("spill to", shown(&path), error))?;
        Ok((file, Owned { path, _shared: Arc::clone(&self.shared) }))
    }
}

impl Shared {
    /// The folder, made where it is the first time.
    fn folder(&self) -> io::Result<PathBuf> {
        let mut folder = self.folder.lock();
        if let Some(folder) = &*folder {
            return Ok(folder.path.clone());
        }
        fs::create_dir_all(&self.under)?;
        for _ in 0..TRIES_MAX {
            let path = self.under.join(format!("{FOLDER_PREFIX}{}", unique_name()));
            let lock = match fs::create_dir(&path) {
                Ok(()) => claim(&path.join(LOCK)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            match lock {
                Ok(Some(lock)) => {
                    *folder = Some(Folder { path: path.clone(), _lock: lock });
                    return Ok(path);
                }
                Ok(None) => {}
                // A sweep removed the folder, which was empty still.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no name for a folder is free"))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.get_mut() {
            // The lock is still held; nobody can be told of a failure, and the next sweep tries again.
            fs::remove_dir_all(&folder.path).ok();
        }
    }
}

/// Removes the folders of dead processes; what cannot be removed stays for the next time.
fn sweep(under: &Path) {
    for entry in fs::read_dir(under).into_iter().flatten().flatten() {
        let path = entry.path();
        if !entry.file_name().to_str().is_some_and(|name| name.starts_with(FOLDER_PREFIX)) {
            continue;
        }
        if let Some(_lock) = abandoned(&path.join(LOCK)) {
            fs::remove_dir_all(&path).ok();
        } else {
            // Its process died before the lock was made; fails for all others, since they are not empty.
            fs::remove_dir(&path).ok();
        }
    }
}

/// A file that is being written; dropping it removes it.
#[derive(Debug)]
pub(crate) struct SpillWriter {
    frames: FrameWriter<BufWriter<File>>,
    chunks: u64,
    // Fields are dropped in this order: the file is gone before its bytes can be promised to somebody else.
    owned: Owned,
    reservation: Reservation,
}

impl SpillWriter {
    /// Adds a chunk; `false`, and nothing written, where the limit of the disk is reached.
    ///
    /// # Errors
    /// [`Error::Storage`] where the system fails; the file is of no use then.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<bool> {
        if !self.reservation.try_grow((FRAME_BYTES + chunk.len()) as u64) {
            return Ok(false);
        }
        self.frames.push(chunk).map_err(|error| failed("spill to", shown(&self.owned.path), error))?;
        self.chunks += 1;
        Ok(true)
    }

    /// Ends the file, which can be read from now on.
    ///
    /// # Errors
    /// [`Error::Storage`] where the system fails.
    pub(crate) fn finish(self) -> Result<SpillFile> {
        let Self { frames, chunks, owned, reservation } = self;
        frames.finish().map_err(|error| failed("spill to", shown(&owned.path), error))?;
        Ok(SpillFile { inner: Arc::new(Written { chunks, owned, _reservation: reservation }) })
    }
}

/// A file that can be read any number of times; removed with its last clone and reader.
#[derive(Clone, Debug)]
pub(crate) struct SpillFile {
    inner: Arc<Written>,
}

#[derive(Debug)]
struct Written {
    chunks: u64,
    owned: Owned,
    _reservation: Reservation,
}

impl SpillFile {
    /// How many chunks were written.
    #[cfg(test)]
    pub(crate) fn chunks(&self) -> u64 {
        self.inner.chunks
    }

    /// Reads from the start.
    ///
    /// # Errors
    /// [`Error::Storage`] where the system fails, [`Error::Corrupt`] where the file is damaged.
    pub(crate) fn read(&self) -> Result<SpillReader> {
        let Written { chunks, owned, .. } = &*self.inner;
        SpillReader::open(&owned.path, (0, u64::MAX), *chunks, Arc::clone(&self.inner) as Kept)
    }
}

/// What keeps a file from being removed.
type Kept = Arc<dyn Debug + Send + Sync>;

/// Gives the chunks of a [`SpillFile`] or a [`Piece`] back in the order in which they were written.
#[derive(Debug)]
pub(crate) struct SpillReader {
    frames: FrameReader<BufReader<Take<File>>>,
    written: u64,
    path: String,
    _file: Kept,
}

impl SpillReader {
    /// Of `chunks` chunks that lie in `length` bytes from `start` on.
    fn open(path: &Path, (start, length): (u64, u64), chunks: u64, kept: Kept) -> Result<Self> {
        let shown = shown(path);
        let open = || -> io::Result<File> {
            let mut file = File::open(path)?;
            if start > 0 {
                file.seek(io::SeekFrom::Start(start))?;
            }
            Ok(file)
        };
        let file = open().map_err(|error| failed("read the spill file", &*shown, error))?;
        let buffer = BUFFER_BYTES.min(usize::try_from(length).unwrap_or(BUFFER_BYTES));
        let frames = FrameReader::open(BufReader::with_capacity(buffer, file.take(length)), KIND, &shown)?;
        if frames.version() != VERSION {
            let reason = format!("it is a spill file of version {}", frames.version());
            return Err(Error::Corrupt { path: shown, reason });
        }
        Ok(Self { frames, written: chunks, path: shown, _file: kept })
    }

    /// The next chunk, lent until the next call; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Storage`] where the system fails; [`Error::Corrupt`] where a chunk is damaged or missing.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>> {
        let (before, written) = (self.frames.records(), self.written);
        match self.frames.next()? {
            None if before < written => Err(Error::Corrupt {
                path: self.path.clone(),
                reason: format!("it ends behind {before} of {written} chunks"),
            }),
            chunk => Ok(chunk),
        }
    }

    /// That what was read is not what was written.
    pub(crate) fn corrupt(&self, reason: impl Into<String>) -> Error {
        Error::Corrupt { path: self.path.clone(), reason: reason.into() }
    }
}

/// A path that is removed on drop, and the folder that must not go before.
#[derive(Debug)]
struct Owned {
    path: PathBuf,
    _shared: Arc<Shared>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        // At the latest it goes with the folder.
        fs::remove_file(&self.path).ok();
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests;

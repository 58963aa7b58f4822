//! The file as it lies there, held against its plan.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::error::ReadError;
use super::reader::Watch;
use crate::part::{FileId, FilePart};

/// When a file was last modified, since the epoch; 0 for one that says it was before.
///
/// # Errors
/// Where the system does not know.
pub(crate) fn modified(metadata: &Metadata) -> io::Result<Duration> {
    Ok(metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// The planned bytes of a file from a part's first to the end of the file; a line that begins in the part may end there.
#[derive(Debug)]
pub(super) struct PlannedFile {
    file: File,
    // Of the planned bytes.
    left: u64,
    watch: Arc<Watch>,
}

impl PlannedFile {
    /// Opens the file of a part, with the byte before the part, if there is one.
    pub(super) fn open(part: &FilePart, watch: &Arc<Watch>) -> Result<(Self, Option<u8>), ReadError> {
        let path = &part.file.path;
        let failed = |source| ReadError::Open { path: path.clone(), source };
        // Asked by name first: to open a pipe that nobody writes to would take for ever.
        if !fs::metadata(path).map_err(failed)?.is_file() {
            return Err(ReadError::NoFile { path: path.clone() });
        }
        let mut file = File::open(path).map_err(failed)?;
        unchanged(path, &part.file, &file.metadata().map_err(failed)?, failed)?;
        let mut before = None;
        if let Some(last) = part.from.checked_sub(1) {
            let mut byte = [0];
            file.seek(SeekFrom::Start(last)).and_then(|_| file.read_exact(&mut byte)).map_err(failed)?;
            before = Some(byte[0]);
        }
        let left = part.file.length.saturating_sub(part.from);
        Ok((Self { file, left, watch: Arc::clone(watch) }, before))
    }
}

/// Whether this is still what was planned. A file that has grown is: its planned bytes are read, and those behind them are
/// for the next look at the folder to decide about.
fn unchanged(
    path: &Path,
    planned: &FileId,
    found: &Metadata,
    failed: impl Fn(io::Error) -> ReadError,
) -> Result<(), ReadError> {
    let time = modified(found).map_err(failed)?;
    if found.len() > planned.length || (found.len() == planned.length && time == planned.modified) {
        return Ok(());
    }
    Err(ReadError::Changed {
        path: path.to_owned(),
        planned: planned.length,
        planned_time: planned.modified,
        found: found.len(),
        found_time: time,
    })
}

impl Read for PlannedFile {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        if want == 0 {
            return Ok(0);
        }
        let read = loop {
            match self.file.read(&mut out[..want]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // It was cut off while it was read.
                Ok(0) => break Err(io::ErrorKind::UnexpectedEof.into()),
                other => break other,
            }
        };
        match read {
            Ok(read) => {
                self.left -= read as u64;
                Ok(read)
            }
            Err(error) => Err(self.watch.lost(&error)),
        }
    }
}

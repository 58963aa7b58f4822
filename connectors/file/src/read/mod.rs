//! Reading: a part of a file becomes records.

mod codec;
mod error;
mod format;
mod lines;
mod open;
mod reader;
mod records;

use std::sync::Arc;

use tidemill::{Chunk, Chunks, Rejected, Rejects, TaskContext};

pub use self::error::ReadError;
pub use self::format::{FileFormat, records_of};
pub use self::lines::TextLines;
pub(crate) use self::open::modified;
pub use self::reader::FileReader;
pub use self::records::BinaryRecords;

use self::codec::Codec;
use self::reader::Watch;
use crate::part::{FileId, FilePart};

/// A file that cannot be read because of the system, and not because of itself, is read again so often: by the third time
/// a disk or a network that was only away for a moment is back.
const TRIES: u32 = 3;

/// What happens where a planned file cannot be read to its end: it is damaged, has gone, was changed, or may not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBroken {
    /// The records before the break count; the rest of the file is reported with its path among the bad input, and the
    /// batch goes on.
    #[default]
    Reject,
    /// The batch fails, and with it the job, as a gap would otherwise be easy to overlook.
    Stop,
}

/// How a file is split: the first byte of each part and the one behind its last. Parts are about equal, of about
/// `part_bytes` and never less than half of that; a file whose middle means nothing without its beginning stays whole.
pub(crate) fn cuts<F: FileFormat>(format: &F, id: &FileId, part_bytes: u64) -> Vec<(u64, u64)> {
    let (length, part_bytes) = (id.length, part_bytes.max(1));
    let splits = format.splits() && Codec::of(&id.path) == Codec::None;
    let parts = match length {
        0 => 0,
        // A tenth more is not worth another part.
        _ if splits => length.div_ceil(part_bytes.saturating_add(part_bytes / 10)),
        _ => 1,
    };
    let edge = |part: u64| (u128::from(length) * u128::from(part) / u128::from(parts)) as u64;
    (0..parts).map(|part| (edge(part), edge(part + 1))).collect()
}

/// The records of a part, as its plan has it.
///
/// # Errors
/// Where the file is broken and `broken` says to stop, where the system failed and another try may help, and where the task
/// was cancelled.
pub(crate) fn read_part<F: FileFormat>(
    format: &Arc<F>,
    part: &FilePart,
    broken: OnBroken,
    rejects: &Rejects,
    task: &TaskContext,
) -> tidemill::Result<Box<dyn Chunks<F::Record>>> {
    let watch = Watch::new(part, rejects, task);
    let guard = Guard { watch: Arc::clone(&watch), broken, over: false };
    let opened = match FileReader::open(part, &watch) {
        Ok(reader) => format.read(reader),
        Err(error) => Err(watch.failed(error)),
    };
    match opened {
        Ok(records) => Ok(Box::new(Guarded { records, guard })),
        Err(error) => {
            guard.settle(error)?;
            Ok(Box::new(Nothing))
        }
    }
}

/// Decides what becomes of errors.
struct Guard {
    watch: Arc<Watch>,
    broken: OnBroken,
    over: bool,
}

impl Guard {
    /// Reports the file, or gives back the error with which the task ends.
    fn settle(&self, error: tidemill::Error) -> tidemill::Result<()> {
        let Watch { task, rejects, .. } = &*self.watch;
        task.check()?;
        // What the file itself met is the cause, whatever the format made of it.
        let error = match self.watch.take_failure() {
            Some(error) => error,
            None => ReadError::Format { at: self.watch.here(), source: error.into() },
        };
        let again = error.may_pass() && task.attempt() < TRIES;
        if again || self.broken == OnBroken::Stop {
            return Err(error.into());
        }
        rejects.add(|| Rejected::new(self.watch.here(), tidemill::Error::from(error).chain(), Vec::new()));
        Ok(())
    }
}

/// The records of a file that may turn out to be broken.
struct Guarded<T> {
    records: Box<dyn Chunks<T>>,
    guard: Guard,
}

impl<T> Chunks<T> for Guarded<T> {
    fn next(&mut self) -> tidemill::Result<Option<Chunk<'_, T>>> {
        if self.guard.over {
            return Ok(None);
        }
        match self.records.next() {
            Ok(chunk) => Ok(chunk),
            Err(error) => {
                self.guard.over = true;
                self.guard.settle(error)?;
                Ok(None)
            }
        }
    }
}

/// What a file holds that could not even be opened, and a partition without a file.
pub(crate) struct Nothing;

impl<T> Chunks<T> for Nothing {
    fn next(&mut self) -> tidemill::Result<Option<Chunk<'_, T>>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests;

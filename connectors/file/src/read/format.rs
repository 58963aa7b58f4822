//! What the bytes of a file mean.

use tidemill::{BoxError, Chunk, Chunks, Data};

use super::reader::FileReader;

/// How the bytes of a file become records.
///
/// [`TextLines`](crate::TextLines) and [`BinaryRecords`](crate::BinaryRecords) are formats; this is one of a user's own, for
/// files of records that each have their length in front:
///
/// ```
/// use std::io::{ErrorKind, Read};
/// use tidemill::Chunks;
/// use tidemill_file::{FileFormat, FileReader, records_of};
///
/// struct Frames;
///
/// impl FileFormat for Frames {
///     type Record = Vec<u8>;
///
///     fn read(&self, mut file: FileReader) -> tidemill::Result<Box<dyn Chunks<Vec<u8>>>> {
///         Ok(records_of(std::iter::from_fn(move || {
///             let mut length = [0];
///             if let Err(error) = file.read_exact(&mut length) {
///                 let end = error.kind() == ErrorKind::UnexpectedEof && !file.failed();
///                 return (!end).then(|| Err(error.into()));
///             }
///             let mut record = vec![0; length[0].into()];
///             Some(file.read_exact(&mut record).map(|()| record).map_err(Into::into))
///         })))
///     }
/// }
/// ```
///
/// # Promises
/// 1. The same bytes give the same records, in the same order: a task may be tried again.
/// 2. A bad record is given to [`FileReader::reject`] and passed over. An error is for a file that makes no sense any more:
///    it ends the file, and [`OnBroken`](crate::OnBroken) decides what becomes of the batch.
/// 3. No more is held in memory than a few records, however long the file.
pub trait FileFormat: Send + Sync + 'static {
    /// One record.
    type Record: Data;

    /// The records of a part of a file; decompressed, if its name ends in `.gz`, `.zst` or `.lz4`. Runs in a task.
    ///
    /// # Errors
    /// Where the file makes no sense.
    fn read(&self, part: FileReader) -> tidemill::Result<Box<dyn Chunks<Self::Record>>>;

    /// Whether a large file may be read in several parts, each in a partition of its own. Default: no.
    ///
    /// A format that says yes finds the first record that begins in its part, [`FileReader::from`] to [`FileReader::to`], and
    /// reads the last one to its end, behind the part. A compressed file is never split.
    fn splits(&self) -> bool {
        false
    }

    /// Whether the format is set up as it must be, asked when the job starts. Default: it is.
    ///
    /// # Errors
    /// The job does not start.
    fn check(&self) -> tidemill::Result<()> {
        Ok(())
    }
}

/// The records of an iterator, for formats that read one after the other; an error ends the file.
pub fn records_of<T, I>(records: I) -> Box<dyn Chunks<T>>
where
    T: Data,
    I: Iterator<Item = Result<T, BoxError>> + 'static,
{
    Box::new(Iterated { records, failed: None, out: Vec::new() })
}

/// Records are lent in portions of this many.
pub(super) const PORTION: usize = 256;

struct Iterated<T, I> {
    records: I,
    // Comes behind the records that were read before it.
    failed: Option<BoxError>,
    out: Vec<T>,
}

impl<T, I: Iterator<Item = Result<T, BoxError>>> Chunks<T> for Iterated<T, I> {
    fn next(&mut self) -> tidemill::Result<Option<Chunk<'_, T>>> {
        if let Some(error) = self.failed.take() {
            return Err(tidemill::Error::from_user(error));
        }
        self.out.clear();
        while self.out.len() < PORTION {
            match self.records.next() {
                Some(Ok(record)) => self.out.push(record),
                Some(Err(error)) if self.out.is_empty() => return Err(tidemill::Error::from_user(error)),
                Some(Err(error)) => {
                    self.failed = Some(error);
                    break;
                }
                None => break,
            }
        }
        Ok((!self.out.is_empty()).then_some(Chunk::Own(&mut self.out)))
    }
}

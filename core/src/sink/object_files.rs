//! Object files: a folder for each batch, the elements in the format of [`Wire`], to be read again.

use std::io::{self, BufReader, Read};
use std::marker::PhantomData;
use std::sync::Arc;

use super::files::{Files, Format, Out, SUCCESS, list_all};
use super::{OutputId, Receipt, Rows, Sink};
use crate::data::{Chunk, Chunks, Data, Wire};
use crate::rdd::{Job, Node, Part, Rdd};
use crate::runtime::TaskContext;
use crate::storage::frames::{FrameReader, FrameWriter};
use crate::storage::{Storage, open_storage};
use crate::words::{BatchTime, Epoch, Error, Result};

/// Kind and version of the frames. A frame holds the number of its records as a u32, little-endian, and the records one
/// behind the other; the last frame holds no record, so that a part that was cut short is noticed.
const KIND: [u8; 4] = *b"OBJS";
const VERSION: u16 = 1;

/// A frame is closed once it has this many bytes: what a task holds of a part at once.
const FRAME: usize = 64 << 10;

/// How much of a part is read at once, in bytes.
const READ: usize = 256 << 10;

/// A folder of elements for each batch: what [`save_as_object_files`](crate::DStream::save_as_object_files) writes, for
/// storages of any kind.
///
/// [`StreamingContext::object_file`](crate::StreamingContext::object_file) reads a folder again.
#[derive(Debug)]
pub struct ObjectFiles(Files);

impl ObjectFiles {
    /// Folders `name-TIME[.suffix]` in `storage`; `TIME.suffix` where `name` is empty.
    pub fn new(storage: Arc<dyn Storage>, name: &str, suffix: &str) -> Self {
        Self(Files::on(storage, name, suffix, empty_part()))
    }

    /// Folders whose path starts with `prefix`: a path or a `file://` URL.
    pub(crate) fn at(prefix: &str, suffix: &str) -> Result<Self> {
        Files::at(prefix, suffix, empty_part()).map(Self)
    }

    /// Whether a batch without records has a folder too. Default: it has none.
    #[must_use]
    pub fn empty_batches(mut self, written: bool) -> Self {
        self.0.set_empty_batches(written);
        self
    }
}

impl<T: Wire> Sink<T> for ObjectFiles {
    fn write(&self, id: &OutputId, epoch: Epoch, rows: Rows<T>, task: &TaskContext) -> Result<Receipt> {
        self.0.write::<T, Frames<Out>>(id, epoch, rows, task)
    }

    fn publish(&self, batch: BatchTime, receipts: &[Receipt]) -> Result<()> {
        self.0.publish(batch, receipts)
    }

    fn check(&self) -> Result<()> {
        self.0.check()
    }
}

struct Frames<W> {
    out: FrameWriter<W>,
    // Four bytes for the number of records, then the records.
    frame: Vec<u8>,
    count: u32,
}

impl<W: io::Write> Frames<W> {
    fn new(out: W) -> io::Result<Self> {
        Ok(Self { out: FrameWriter::new(out, KIND, VERSION)?, frame: vec![0; 4], count: 0 })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.frame[..4].copy_from_slice(&self.count.to_le_bytes());
        self.out.push(&self.frame)?;
        self.frame.truncate(4);
        self.count = 0;
        Ok(())
    }

    fn finish(mut self) -> io::Result<W> {
        if self.count > 0 {
            self.flush()?;
        }
        self.flush()?;
        self.out.finish()
    }
}

impl<T: Wire> Format<T> for Frames<Out> {
    fn begin(out: Out) -> io::Result<Self> {
        Self::new(out)
    }

    fn push(&mut self, record: &T) -> Result<io::Result<()>> {
        record.encode(&mut self.frame)?;
        self.count += 1;
        // Elements of no bytes must not overflow the count either.
        let full = self.frame.len() >= FRAME || self.count as usize >= FRAME;
        Ok(if full { self.flush() } else { Ok(()) })
    }

    fn end(self) -> Result<io::Result<Out>> {
        Ok(self.finish())
    }
}

fn empty_part() -> Vec<u8> {
    // Writing to a Vec cannot fail.
    Frames::new(Vec::new()).and_then(Frames::finish).unwrap_or_default()
}

/// The elements of a folder that [`ObjectFiles`] wrote, one partition a part.
pub(crate) fn read_object_files<T: Wire>(job: &Arc<Job>, path: &str) -> Result<Rdd<T>> {
    let path = path.trim_end_matches('/');
    let storage = open_storage(path)?;
    if storage.get(SUCCESS, Some(0..0))?.is_none() {
        return Err(Error::Corrupt {
            path: path.into(),
            reason: format!("it has no `{SUCCESS}`: it is not there, or was not written to its end"),
        });
    }
    let paths = list_all(&*storage, "part-")?;
    Ok(Rdd::new(Parts { storage, folder: path.into(), paths, of: PhantomData }, job))
}

struct Parts<T> {
    storage: Arc<dyn Storage>,
    folder: String,
    paths: Vec<String>,
    of: PhantomData<fn() -> T>,
}

impl<T: Wire> Node<T> for Parts<T> {
    fn partitions(&self) -> usize {
        self.paths.len()
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        (partition * members as usize / self.paths.len().max(1)) as u32
    }

    fn prepare(&self, _job: &Arc<Job>) -> Result<()> {
        Ok(())
    }

    fn open(&self, partition: usize, _task: &TaskContext) -> Result<Part<T>> {
        let path = self.paths[partition].clone();
        let shown = format!("{}/{path}", self.folder);
        let part = Object { storage: Arc::clone(&self.storage), path, at: 0 };
        let frames = FrameReader::open(BufReader::with_capacity(READ, part), KIND, &shown)?;
        if frames.version() != VERSION {
            let reason = format!("it has version {}, this one reads {VERSION}", frames.version());
            return Err(Error::Corrupt { path: shown, reason });
        }
        Ok(Box::new(Records { frames, path: shown, frame: Vec::new() }))
    }
}

/// The records of a part, a frame at a time.
struct Records<T> {
    frames: FrameReader<BufReader<Object>>,
    path: String,
    frame: Vec<T>,
}

impl<T: Data + Wire> Chunks<T> for Records<T> {
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        self.frame.clear();
        let Some((count, mut bytes)) = self.frames.next()?.and_then(<[u8]>::split_first_chunk) else {
            return Err(Error::Corrupt {
                path: self.path.clone(),
                reason: "its end is missing: it was cut off between two frames".into(),
            });
        };
        match u32::from_le_bytes(*count) {
            0 => Ok(None),
            count => {
                for _ in 0..count {
                    self.frame.push(T::decode(&mut bytes)?);
                }
                if !bytes.is_empty() {
                    return Err(Error::Corrupt {
                        path: self.path.clone(),
                        reason: format!("it does not hold `{}`", std::any::type_name::<T>()),
                    });
                }
                Ok(Some(Chunk::Own(&mut self.frame)))
            }
        }
    }
}

/// An object, read from its beginning.
struct Object {
    storage: Arc<dyn Storage>,
    path: String,
    at: u64,
}

impl Read for Object {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let part = self.at..self.at + into.len() as u64;
        let gone = || io::Error::new(io::ErrorKind::NotFound, "it is gone");
        let bytes = self.storage.get(&self.path, Some(part)).map_err(io::Error::other)?.ok_or_else(gone)?;
        into[..bytes.len()].copy_from_slice(&bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These bytes are on somebody's disk: they are read for ever.
    #[test]
    fn the_bytes_of_version_1_never_change() {
        let mut frames = Frames::new(Vec::new()).unwrap();
        ("tide".to_owned(), 3u64).encode(&mut frames.frame).unwrap();
        frames.count = 1;
        let bytes = frames.finish().unwrap();

        assert_eq!(bytes[..12], *b"tdmf\x01\0\x01\0OBJS");
        // One frame of ten bytes, with its checksum; then the last frame, of four.
        assert_eq!(bytes[16..20], [10, 0, 0, 0]);
        assert_eq!(bytes[24..34], *b"\x01\0\0\0\x04tide\x03");
        assert_eq!(bytes[34..38], [4, 0, 0, 0]);
        assert_eq!(bytes[42..], [0, 0, 0, 0]);
    }
}

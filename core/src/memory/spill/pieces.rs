//! Pieces of a file that can be read while others are written behind them.

use std::io::BufWriter;
use std::sync::Arc;

use parking_lot::Mutex;

use super::device::DeviceFile;
use super::{BUFFER_BYTES, KIND, Owned, Reservation, Spill, SpillReader, VERSION, shown};
use crate::storage::failed;
use crate::storage::frames::{FRAME_BYTES, FrameWriter, HEADER_BYTES};
use crate::words::Result;

/// A file to which pieces are added, each of which can be read at once. It stays as long as one of its pieces, or the
/// writer.
#[derive(Debug)]
pub(crate) struct PieceWriter {
    // None once what was written in vain could not be taken back.
    out: Option<BufWriter<DeviceFile>>,
    file: Arc<PieceFile>,
    end: u64,
}

#[derive(Debug)]
struct PieceFile {
    // Dropped in this order: the file is gone before its bytes can be promised to somebody else.
    owned: Owned,
    paid: Mutex<Reservation>,
}

/// A piece; the file is removed with its last piece.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    file: Arc<PieceFile>,
    start: u64,
    length: u64,
    chunks: u64,
}

/// The chunks of a piece that is being written.
#[derive(Debug)]
pub(crate) struct PieceFrames<'a> {
    frames: FrameWriter<&'a mut BufWriter<DeviceFile>>,
    file: &'a PieceFile,
    length: u64,
    chunks: u64,
}

impl Spill {
    /// Starts a file of pieces.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) where the system fails.
    pub(crate) fn pieces(&self) -> Result<PieceWriter> {
        let paid = self.shared.disk.overdraw(0);
        let (file, owned) = self.create()?;
        let out = DeviceFile { file, shared: Arc::clone(&self.shared) };
        Ok(PieceWriter {
            out: Some(BufWriter::with_capacity(BUFFER_BYTES, out)),
            file: Arc::new(PieceFile { owned, paid: Mutex::new(paid) }),
            end: 0,
        })
    }
}

impl PieceWriter {
    /// Whether nothing can be added any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.out.is_none()
    }

    /// How long the file is.
    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }

    /// Adds a piece of the chunks that `write` pushes; `None`, and nothing written, where the limit of the disk is reached.
    /// `write` ends with `false` when a push says so.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) where the system fails, and whatever `write` gives; nothing is written then,
    /// either.
    pub(crate) fn add(
        &mut self,
        write: impl FnOnce(&mut PieceFrames<'_>) -> Result<bool>,
    ) -> Result<Option<Piece>> {
        let added = self.try_add(write);
        match &added {
            Ok(Some(piece)) => self.end += piece.length,
            Ok(None) | Err(_) => self.take_back(),
        }
        added
    }

    fn try_add(&mut self, write: impl FnOnce(&mut PieceFrames<'_>) -> Result<bool>) -> Result<Option<Piece>> {
        let path = &self.file.owned.path;
        let Some(out) = &mut self.out else { return Ok(None) };
        if !self.file.paid.lock().try_grow(HEADER_BYTES as u64) {
            return Ok(None);
        }
        let frames = FrameWriter::new(out, KIND, VERSION);
        let frames = frames.map_err(|error| failed("spill to", shown(path), error))?;
        let mut piece = PieceFrames { frames, file: &self.file, length: HEADER_BYTES as u64, chunks: 0 };
        if !write(&mut piece)? {
            return Ok(None);
        }
        let PieceFrames { frames, length, chunks, .. } = piece;
        // To the system: what stands in the buffer nobody can read.
        frames.finish().map_err(|error| failed("spill to", shown(path), error))?;
        Ok(Some(Piece { file: Arc::clone(&self.file), start: self.end, length, chunks }))
    }

    /// Takes back what stands behind the last piece.
    fn take_back(&mut self) {
        let Some(out) = self.out.take() else { return };
        // Without what is in its buffer, which must not follow.
        let (mut out, _) = out.into_parts();
        if out.cut_off(self.end).is_ok() {
            self.out = Some(BufWriter::with_capacity(BUFFER_BYTES, out));
            let mut paid = self.file.paid.lock();
            let unused = paid.bytes() - self.end;
            paid.shrink(unused);
        }
    }
}

impl PieceFrames<'_> {
    /// Adds a chunk; `false` where the limit of the disk is reached.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) where the system fails.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<bool> {
        let bytes = (FRAME_BYTES + chunk.len()) as u64;
        if !self.file.paid.lock().try_grow(bytes) {
            return Ok(false);
        }
        let pushed = self.frames.push(chunk);
        pushed.map_err(|error| failed("spill to", shown(&self.file.owned.path), error))?;
        self.length += bytes;
        self.chunks += 1;
        Ok(true)
    }
}

impl Piece {
    /// Reads from the start.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) where the system fails, [`Error::Corrupt`](crate::Error::Corrupt) where the
    /// file is damaged.
    pub(crate) fn read(&self) -> Result<SpillReader> {
        let place = (self.start, self.length);
        SpillReader::open(&self.file.owned.path, place, self.chunks, Arc::clone(&self.file) as _)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;

    use super::*;
    use crate::words::Error;

    fn spill(disk_bytes_max: u64) -> (tempfile::TempDir, Spill) {
        let under = tempfile::tempdir().unwrap();
        let spill = Spill::new(under.path().join("spill"), disk_bytes_max);
        (under, spill)
    }

    fn add(writer: &mut PieceWriter, chunks: &[Vec<u8>]) -> Result<Option<Piece>> {
        writer.add(|piece| {
            for chunk in chunks {
                if !piece.push(chunk)? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    fn read(piece: &Piece) -> Vec<Vec<u8>> {
        let (mut reader, mut chunks) = (piece.read().unwrap(), Vec::new());
        while let Some(chunk) = reader.next().unwrap() {
            chunks.push(chunk.to_vec());
        }
        chunks
    }

    fn files(spill: &Spill) -> usize {
        let folder = spill.shared.folder().unwrap();
        // Besides the lock.
        fs::read_dir(folder).unwrap().count() - 1
    }

    #[test]
    fn a_piece_is_read_while_others_are_written_behind_it() {
        let (_under, spill) = spill(1 << 20);
        let mut writer = spill.pieces().unwrap();
        let chunks = |n: u8| vec![vec![n; 10], vec![], vec![n; 70_000]];
        let mut pieces = Vec::new();
        for n in 0..4 {
            pieces.push(add(&mut writer, &chunks(n)).unwrap().unwrap());
            for (n, piece) in pieces.iter().enumerate() {
                assert_eq!(read(piece), chunks(n as u8));
            }
        }
        assert_eq!(spill.shared.disk.used(), writer.bytes());

        assert_eq!(files(&spill), 1);
        drop(writer);
        let last = pieces.pop().unwrap();
        drop(pieces);
        assert_eq!(files(&spill), 1);
        assert_eq!(read(&last), chunks(3));
        drop(last);
        assert_eq!((files(&spill), spill.shared.disk.used()), (0, 0));
    }

    #[test]
    fn a_piece_that_does_not_fit_leaves_those_before_and_behind_it_alone() {
        let (_under, spill) = spill(1000);
        let mut writer = spill.pieces().unwrap();
        let first = add(&mut writer, &[vec![1; 400]]).unwrap().unwrap();
        assert!(add(&mut writer, &[vec![2; 100], vec![2; 600]]).unwrap().is_none());
        let third = add(&mut writer, &[vec![3; 400]]).unwrap().unwrap();

        assert_eq!((read(&first), read(&third)), (vec![vec![1; 400]], vec![vec![3; 400]]));
        assert_eq!(spill.shared.disk.used(), writer.bytes());
        assert_eq!(fs::metadata(&first.file.owned.path).unwrap().len(), writer.bytes());
    }

    #[test]
    fn a_full_disk_is_an_error_and_what_was_written_in_vain_is_taken_back() {
        let (_under, spill) = spill(1 << 30);
        let mut writer = spill.pieces().unwrap();
        let first = add(&mut writer, &[vec![1; 400]]).unwrap().unwrap();
        spill.limit_device(Some(100_000));
        let error = add(&mut writer, &[vec![2; 90_000], vec![2; 90_000]]).unwrap_err();
        let Error::Storage { source, .. } = error else { panic!("{error:?}") };
        assert_eq!(source.downcast_ref::<std::io::Error>().unwrap().kind(), ErrorKind::StorageFull);
        assert_eq!(fs::metadata(&first.file.owned.path).unwrap().len(), writer.bytes());
        spill.limit_device(None);
        let third = add(&mut writer, &[vec![3; 90_000]]).unwrap().unwrap();

        assert_eq!((read(&first), read(&third)), (vec![vec![1; 400]], vec![vec![3; 90_000]]));
        assert_eq!(spill.shared.disk.used(), writer.bytes());
    }
}

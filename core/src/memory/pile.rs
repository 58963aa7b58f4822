//! Bytes that are put aside piece by piece: in memory as far as the budget goes, behind that on disk.

use std::sync::Arc;

use super::budget::{Budget, Reservation};
use super::spill::{Spill, SpillFile, SpillReader, SpillWriter};
use crate::words::Result;

/// Small entries lie together up to this many bytes, so that each does not cost an allocation.
const PIECE: usize = 64 << 10;

/// What an entry takes beside its bytes, about: lists grow by doubling.
const BESIDE: usize = 16;

/// Where a pile may grow.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) budget: Budget,
    pub(crate) spill: Arc<Spill>,
}

/// A pile that grows; dropping it gives everything back.
#[derive(Debug)]
pub(crate) struct PileWriter {
    room: Room,
    pieces: Vec<Vec<u8>>,
    paid: Option<Reservation>,
    // Once begun, all that comes goes there: the order stays.
    file: Option<SpillWriter>,
}

impl PileWriter {
    pub(crate) fn new(room: &Room) -> Self {
        Self { room: room.clone(), pieces: Vec::new(), paid: None, file: None }
    }

    /// Puts an entry behind the others; `false`, and nothing done, where there is room for it neither in memory nor on
    /// disk.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) where the system fails.
    pub(crate) fn push(&mut self, entry: &[u8]) -> Result<bool> {
        if self.file.is_none() && self.pay((entry.len() + BESIDE) as u64) {
            match self.pieces.last_mut() {
                Some(last) if last.len() + entry.len() <= PIECE => last.extend_from_slice(entry),
                _ => self.pieces.push(entry.to_vec()),
            }
            return Ok(true);
        }
        if self.file.is_none() {
            self.file = self.room.spill.writer()?;
        }
        match &mut self.file {
            Some(file) => file.push(entry),
            None => Ok(false),
        }
    }

    fn pay(&mut self, bytes: u64) -> bool {
        if let Some(paid) = &mut self.paid {
            return paid.try_grow(bytes);
        }
        self.paid = self.room.budget.try_reserve(bytes);
        self.paid.is_some()
    }

    /// Ends the pile, which can be read from now on.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) where the system fails.
    pub(crate) fn finish(self) -> Result<Pile> {
        let Self { pieces, paid, file, .. } = self;
        Ok(Pile { pieces, _paid: paid, file: file.map(SpillWriter::finish).transpose()? })
    }
}

/// A pile that can be read any number of times.
#[derive(Debug)]
pub(crate) struct Pile {
    pieces: Vec<Vec<u8>>,
    _paid: Option<Reservation>,
    file: Option<SpillFile>,
}

impl Pile {
    /// Reads from the first entry on.
    pub(crate) fn read(self: &Arc<Self>) -> PileReader {
        PileReader { pile: Arc::clone(self), at: 0, file: None }
    }
}

/// Gives a pile back, in order.
#[derive(Debug)]
pub(crate) struct PileReader {
    pile: Arc<Pile>,
    at: usize,
    file: Option<SpillReader>,
}

impl PileReader {
    /// The next piece: one entry or several, whole. `None` at the end.
    ///
    /// # Errors
    /// As the spill's reader.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>> {
        if let Some(piece) = self.pile.pieces.get(self.at) {
            self.at += 1;
            return Ok(Some(piece));
        }
        if self.file.is_none() {
            self.file = self.pile.file.as_ref().map(SpillFile::read).transpose()?;
        }
        match &mut self.file {
            Some(file) => file.next(),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(memory: u64, disk: u64) -> (Room, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Room { budget: Budget::new(memory), spill: Arc::new(Spill::new(folder.path(), disk)) }, folder)
    }

    fn read(pile: &Arc<Pile>) -> Vec<u8> {
        let (mut reader, mut all) = (pile.read(), Vec::new());
        while let Some(piece) = reader.next().unwrap() {
            all.extend_from_slice(piece);
        }
        all
    }

    #[test]
    fn what_does_not_fit_into_memory_goes_to_disk_and_all_of_it_comes_back_in_order() {
        for memory in [1 << 20, 2_000, 0] {
            let (room, _folder) = room(memory, 1 << 20);
            let mut pile = PileWriter::new(&room);
            let entries: Vec<[u8; 64]> = (0..100).map(|n| [n; 64]).collect();
            entries.iter().for_each(|entry| assert!(pile.push(entry).unwrap()));
            assert!(room.budget.used() <= memory, "{} of {memory}", room.budget.used());

            let pile = Arc::new(pile.finish().unwrap());

            assert_eq!(read(&pile), entries.concat(), "memory {memory}");
            assert_eq!(read(&pile), entries.concat(), "a second time");
            drop(pile);
            assert_eq!(room.budget.used(), 0);
        }
    }

    #[test]
    fn no_room_at_all_is_said() {
        let (room, _folder) = room(100, 0);
        let mut pile = PileWriter::new(&room);
        assert!(pile.push(&[1; 50]).unwrap());
        assert!(!pile.push(&[2; 50]).unwrap());
        assert_eq!(read(&Arc::new(pile.finish().unwrap())), [1; 50]);
    }
}

//! Records that cannot be used: who reads a partition counts what it hands on, and puts aside what it rejects.
//!
//! A partition may be read by several outputs, again after a failure, or in part by `take`. Each read counts for itself,
//! and the longest one is the partition's: all others saw a beginning of the same records. Whether the task around
//! succeeded does not matter; what it read may have been kept for those that did.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::node::Part;
use crate::data::{Chunk, Chunks, Wire};
use crate::memory::{Pile, PileReader, PileWriter, Room};
use crate::runtime::Site;
use crate::words::{BatchTime, Error, Result, Retry};

/// A record that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Where it stands in its source, as far as that is known: `byte 1,024`, `offset 17`, a file's path.
    pub at: String,
    /// What is wrong with it.
    pub error: String,
    /// The record as it came; empty where it was too long to be kept.
    pub bytes: Bytes,
}

impl Rejected {
    /// A record at `at`, which is `bytes`, and is no good because of `error`.
    pub fn new(at: impl Into<String>, error: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { at: at.into(), error: error.into(), bytes: bytes.into() }
    }
}

/// Takes the records that one read of a partition could not decode.
///
/// Each partition of a batch counts once, however often it is read: what the longest read has seen is what counts.
#[derive(Clone, Debug, Default)]
pub struct Rejects(Arc<Mutex<Tally>>);

#[derive(Debug, Default)]
struct Tally {
    count: u64,
    first: Option<String>,
    // None where nobody wants the records themselves.
    pile: Option<PileWriter>,
    failed: Option<Error>,
    // Another read has seen all there is.
    counts_only: bool,
}

impl Rejects {
    /// Where the records themselves are wanted, they are put into `room`.
    pub(crate) fn new(room: Option<&Room>) -> Self {
        Self(Arc::new(Mutex::new(Tally { pile: room.map(PileWriter::new), ..Tally::default() })))
    }

    /// A record could not be decoded; `rejected` is asked where somebody wants to know which.
    pub fn add(&self, rejected: impl FnOnce() -> Rejected) {
        let wanted = {
            let mut tally = self.0.lock();
            tally.count += 1;
            !tally.counts_only && (tally.first.is_none() || (tally.pile.is_some() && tally.failed.is_none()))
        };
        // No lock is held: this is the connector's code.
        if wanted {
            let rejected = rejected();
            self.0.lock().put(rejected);
        }
    }

    /// How many, and what was wrong with the first.
    pub(crate) fn total(&self) -> Option<(u64, String)> {
        let tally = self.0.lock();
        Some((tally.count, tally.first.clone()?))
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().count == 0
    }
}

impl Tally {
    fn put(&mut self, rejected: Rejected) {
        if let Some(pile) = &mut self.pile {
            let mut bytes = Vec::new();
            match rejected.encode(&mut bytes).and_then(|()| pile.push(&bytes)) {
                Ok(true) => {}
                Ok(false) => self.failed = Some(no_room()),
                Err(error) => self.failed = Some(error),
            }
        }
        self.first.get_or_insert(rejected.error);
    }
}

fn no_room() -> Error {
    Error::Other {
        what: "there is no room left to put a rejected record aside for the dead letters: raise `tidemill.memory` or \
               `tidemill.memory.disk`"
            .into(),
        retry: Retry::WithBackoff,
        source: None,
    }
}

/// Who reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// An input, behind the gate or without one.
    Input { stream_id: usize, name: String },
    /// A receiver, in front of the gate: what it rejects itself belongs to no partition.
    Receiver { stream_id: usize, name: String },
    /// `map_or_reject`.
    Operator(Site),
}

/// What was read of each partition of an input or an operator.
#[derive(Debug)]
pub(crate) struct Reads {
    pub(crate) reader: Reader,
    /// The batch whose records they are; none where that is the batch that computes.
    pub(crate) batch: Option<BatchTime>,
    room: Option<Room>,
    partitions: Vec<Mutex<Longest>>,
}

/// The longest read of a partition.
#[derive(Debug, Default)]
struct Longest {
    handed_on: u64,
    rejected: u64,
    first: Option<String>,
    pile: Option<Arc<Pile>>,
    failed: Option<Error>,
    ended: bool,
    // So many were reported with a batch that is done.
    reported: u64,
}

/// What was read of one partition, to be told to the other members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) partition: u32,
    pub(crate) handed_on: u64,
    pub(crate) rejected: u64,
    /// How many of those no batch has reported before.
    pub(crate) fresh: u64,
    /// It was read to its end.
    pub(crate) ended: bool,
    /// What was wrong with the first that was rejected.
    pub(crate) first: Option<String>,
}

impl Reads {
    /// For so many partitions; `room` is for the records themselves, where somebody wants them.
    pub(crate) fn new(
        reader: Reader,
        batch: Option<BatchTime>,
        partitions: usize,
        room: Option<Room>,
    ) -> Arc<Self> {
        Arc::new(Self {
            reader,
            batch,
            room,
            partitions: (0..partitions).map(|_| Mutex::default()).collect(),
        })
    }

    /// How many partitions there are.
    pub(crate) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// Begins to read a partition.
    pub(crate) fn read(self: &Arc<Self>, partition: usize) -> Reading {
        let ended = self.partitions[partition].lock().ended;
        let rejects = Rejects::new(self.room.as_ref().filter(|_| !ended));
        rejects.0.lock().counts_only = ended;
        self.reading(partition, rejects)
    }

    /// Takes what somebody else has rejected already, as if a read of `partition` had ended with it.
    pub(crate) fn put(self: &Arc<Self>, partition: usize, rejects: Rejects) {
        let mut reading = self.reading(partition, rejects);
        reading.ended = true;
    }

    fn reading(self: &Arc<Self>, partition: usize, rejects: Rejects) -> Reading {
        Reading { reads: Arc::clone(self), partition, rejects, handed_on: 0, ended: false, failed: false }
    }

    /// What was read so far, for those partitions of which something was.
    ///
    /// # Errors
    /// Where a rejected record could not be put aside.
    pub(crate) fn found(&self) -> Result<Vec<Found>> {
        let mut all = Vec::new();
        for (partition, longest) in (0..).zip(&self.partitions) {
            let mut longest = longest.lock();
            if let Some(error) = longest.failed.take() {
                return Err(error);
            }
            let Longest { handed_on, rejected, ended, reported, .. } = *longest;
            if handed_on > 0 || rejected > 0 || ended {
                let (fresh, first) = (rejected.saturating_sub(reported), longest.first.clone());
                all.push(Found { partition, handed_on, rejected, fresh, ended, first });
            }
        }
        Ok(all)
    }

    /// The rejected records of a partition that no batch has reported before.
    pub(crate) fn rejected(&self, partition: usize) -> RejectedReader {
        let longest = self.partitions[partition].lock();
        let pieces = longest.pile.as_ref().map(Pile::read);
        RejectedReader { pieces, reported: longest.reported }
    }

    /// The batch that reported them is done: a later one tells what is new only.
    pub(crate) fn done(&self) {
        for longest in &self.partitions {
            let mut longest = longest.lock();
            longest.reported = longest.rejected;
            longest.pile = None;
        }
    }
}

/// One read of a partition; it counts once it is dropped.
#[derive(Debug)]
pub(crate) struct Reading {
    reads: Arc<Reads>,
    partition: usize,
    rejects: Rejects,
    handed_on: u64,
    ended: bool,
    failed: bool,
}

impl Reading {
    /// Where rejected records go.
    pub(crate) fn rejects(&self) -> &Rejects {
        &self.rejects
    }

    /// So many records are handed on.
    ///
    /// # Errors
    /// Where a rejected record could not be put aside; this read counts no more.
    pub(crate) fn hand_on(&mut self, records: u64) -> Result<()> {
        self.handed_on += records;
        match self.rejects.0.lock().failed.take() {
            None => Ok(()),
            Some(error) => {
                self.failed = true;
                Err(error)
            }
        }
    }

    /// There is no more.
    ///
    /// # Errors
    /// As [`hand_on`](Self::hand_on).
    pub(crate) fn end(&mut self) -> Result<()> {
        self.hand_on(0)?;
        self.ended = true;
        Ok(())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // Taken out: the reader of a block may hold a clone for longer.
        let tally = std::mem::take(&mut *self.rejects.0.lock());
        if self.failed {
            return;
        }
        let mut longest = self.reads.partitions[self.partition].lock();
        if self.handed_on + tally.count > longest.handed_on + longest.rejected {
            (longest.handed_on, longest.rejected) = (self.handed_on, tally.count);
            longest.failed = tally.failed;
            longest.pile = None;
            match tally.pile.map(PileWriter::finish).transpose() {
                Ok(pile) => longest.pile = pile.map(Arc::new),
                Err(error) => longest.failed = Some(error),
            }
            longest.first = tally.first.or(longest.first.take());
        }
        longest.ended |= self.ended;
    }
}

/// Gives rejected records back, in the order in which they were.
#[derive(Debug)]
pub(crate) struct RejectedReader {
    pieces: Option<PileReader>,
    // So many come first that were reported before.
    reported: u64,
}

impl RejectedReader {
    /// The records of the next piece go to `out`; `false` at the end.
    ///
    /// # Errors
    /// Where they cannot be read back.
    pub(crate) fn fill(&mut self, mut out: impl FnMut(Rejected)) -> Result<bool> {
        let Some(pieces) = &mut self.pieces else { return Ok(false) };
        let Some(mut piece) = pieces.next()? else { return Ok(false) };
        while !piece.is_empty() {
            let rejected = Rejected::decode(&mut piece)?;
            if self.reported > 0 {
                self.reported -= 1;
            } else {
                out(rejected);
            }
        }
        Ok(true)
    }
}

/// A partition whose records are counted as they are handed on, once a chunk.
pub(crate) struct Counted<T> {
    pub(crate) part: Part<T>,
    pub(crate) reading: Reading,
}

impl<T> Chunks<T> for Counted<T> {
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        let chunk = self.part.next()?;
        match &chunk {
            Some(chunk) => self.reading.hand_on(chunk.as_slice().len() as u64)?,
            None => self.reading.end()?,
        }
        Ok(chunk)
    }

    fn count_rest(&mut self) -> Result<u64> {
        let count = self.part.count_rest()?;
        self.reading.hand_on(count)?;
        self.reading.end()?;
        Ok(count)
    }
}

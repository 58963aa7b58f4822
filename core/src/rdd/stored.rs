//! Records of a batch that are kept beyond it, written down: in memory as far as the budget goes, behind that on disk.

use std::any::type_name;
use std::sync::{Arc, OnceLock};

use super::exchange::not_run;
use super::node::{Node, Part, Pull};
use super::wire::Codec;
use super::{Job, Rdd};
use crate::data::{Chunk, Chunks};
use crate::memory::{Pile, PileReader, PileWriter, Reservation, Room};
use crate::runtime::TaskContext;
use crate::words::{Error, Result};

/// Elements of one entry: large enough that its head costs nothing, small enough to be read in the cache.
const PIECE: usize = 256;

/// Bytes of an entry's head: how many elements it has. Some types take no bytes at all.
const HEAD: usize = 4;

/// One partition, written down.
#[derive(Debug)]
pub(crate) struct StoredPart {
    pile: Arc<Pile>,
    // What found no room on the disk either: it is in memory all the same, and the budget knows.
    rest: Arc<Vec<u8>>,
    _over: Option<Reservation>,
}

impl StoredPart {
    /// Writes down what is left of a partition, in a task.
    pub(crate) fn write<T>(mut up: Pull<T>, codec: Codec<T>, room: &Room) -> Result<Self> {
        let mut writer = Writer::new(room);
        let mut entry = Vec::new();
        while let Some(chunk) = up.next()? {
            for some in chunk.as_slice().chunks(PIECE) {
                entry.clear();
                entry.extend_from_slice(&(some.len() as u32).to_le_bytes());
                some.iter().try_for_each(|element| (codec.encode)(element, &mut entry))?;
                writer.push(&entry)?;
            }
        }
        writer.finish()
    }

    /// What [`bytes`](Self::bytes) gave.
    pub(crate) fn from_bytes(bytes: &[u8], room: &Room) -> Result<Self> {
        let mut writer = Writer::new(room);
        if !bytes.is_empty() {
            writer.push(bytes)?;
        }
        writer.finish()
    }

    /// All of it, to be written elsewhere.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        let (mut all, mut pieces) = (Vec::new(), self.pile.read());
        while let Some(piece) = pieces.next()? {
            all.extend_from_slice(piece);
        }
        all.extend_from_slice(&self.rest);
        Ok(all)
    }
}

struct Writer<'a> {
    room: &'a Room,
    pile: PileWriter,
    rest: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(room: &'a Room) -> Self {
        Self { room, pile: PileWriter::new(room), rest: Vec::new() }
    }

    fn push(&mut self, entry: &[u8]) -> Result<()> {
        // Behind the first that found no room all are there, so that the order stays.
        if !self.rest.is_empty() || !self.pile.push(entry)? {
            self.rest.extend_from_slice(entry);
        }
        Ok(())
    }

    fn finish(self) -> Result<StoredPart> {
        let over = (!self.rest.is_empty()).then(|| self.room.budget.overdraw(self.rest.len() as u64));
        Ok(StoredPart { pile: Arc::new(self.pile.finish()?), rest: Arc::new(self.rest), _over: over })
    }
}

/// The records of one batch: a node with nothing behind it, so that it keeps nothing else alive.
pub(crate) struct Stored<T> {
    owners: Vec<u32>,
    keyed: bool,
    parts: OnceLock<Vec<Option<Arc<StoredPart>>>>,
    codec: Codec<T>,
}

impl<T: 'static> Stored<T> {
    /// With the partitions and owners of `rdd`, to be filled.
    pub(crate) fn like(rdd: &Rdd<T>, codec: Codec<T>) -> Self {
        let (node, members) = (rdd.node(), rdd.job().engine.members());
        let owners = (0..node.partitions()).map(|partition| node.owner(partition, members)).collect();
        Self::owned_by(owners, node.keyed(), codec)
    }

    /// To be filled; the owner of each partition is named.
    pub(crate) fn owned_by(owners: Vec<u32>, keyed: bool, codec: Codec<T>) -> Self {
        Self { owners, keyed, parts: OnceLock::new(), codec }
    }

    /// Fills it with the partitions of this member; once.
    pub(crate) fn fill(&self, parts: impl IntoIterator<Item = (usize, Arc<StoredPart>)>) {
        let mut all: Vec<Option<Arc<StoredPart>>> = self.owners.iter().map(|_| None).collect();
        for (partition, part) in parts {
            if let Some(place) = all.get_mut(partition) {
                *place = Some(part);
            }
        }
        let _ = self.parts.set(all);
    }
}

impl<T: 'static> Node<T> for Stored<T> {
    fn partitions(&self) -> usize {
        self.owners.len()
    }

    fn owner(&self, partition: usize, _members: u32) -> u32 {
        self.owners.get(partition).copied().unwrap_or(0)
    }

    fn keyed(&self) -> bool {
        self.keyed
    }

    fn prepare(&self, _job: &Arc<Job>) -> Result<()> {
        Ok(())
    }

    fn open(&self, partition: usize, _task: &TaskContext) -> Result<Part<T>> {
        let Some(parts) = self.parts.get() else { return Err(not_run()) };
        let Some(part) = parts.get(partition).cloned().flatten() else { return Err(not_run()) };
        Ok(Box::new(Reading {
            pile: part.pile.read(),
            rest: Some(Arc::clone(&part.rest)),
            _part: part,
            decode: self.codec.decode,
            out: Vec::new(),
        }))
    }
}

/// Reads a partition, an entry or several at a time.
struct Reading<T> {
    pile: PileReader,
    rest: Option<Arc<Vec<u8>>>,
    _part: Arc<StoredPart>,
    decode: fn(&mut &[u8]) -> Result<T>,
    out: Vec<T>,
}

impl<T> Chunks<T> for Reading<T> {
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        self.out.clear();
        if let Some(piece) = self.pile.next()? {
            decode(piece, self.decode, &mut self.out)?;
        } else {
            let Some(rest) = self.rest.take() else { return Ok(None) };
            decode(&rest, self.decode, &mut self.out)?;
        }
        Ok(Some(Chunk::Own(&mut self.out)))
    }
}

fn decode<T>(mut bytes: &[u8], decode: impl Fn(&mut &[u8]) -> Result<T>, out: &mut Vec<T>) -> Result<()> {
    while !bytes.is_empty() {
        let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else {
            let reason = "what a window has kept is cut off".into();
            return Err(Error::Wire { type_name: type_name::<T>(), direction: "read back", reason });
        };
        bytes = rest;
        for _ in 0..u32::from_le_bytes(*head) {
            out.push(decode(&mut bytes)?);
        }
    }
    Ok(())
}

/// Nodes with equally many partitions, each of them by key: partition by partition, one node behind the other.
pub(crate) struct Zipped<T> {
    pub(crate) parents: Vec<Arc<dyn Node<T>>>,
    pub(crate) partitions: usize,
    pub(crate) owners: Vec<u32>,
}

impl<T: 'static> Node<T> for Zipped<T> {
    fn partitions(&self) -> usize {
        self.partitions
    }

    fn owner(&self, partition: usize, _members: u32) -> u32 {
        self.owners.get(partition).copied().unwrap_or(0)
    }

    fn keyed(&self) -> bool {
        true
    }

    fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        self.parents.iter().try_for_each(|parent| parent.prepare(job))
    }

    fn open(&self, partition: usize, task: &TaskContext) -> Result<Part<T>> {
        // The next one stands last.
        let left = self.parents.iter().rev().map(Arc::clone).collect();
        Ok(Box::new(OneByOne { left, partition, task: task.clone(), part: None, finished: false }))
    }
}

/// The same partition of several nodes; each is opened when the one before has ended.
struct OneByOne<T> {
    left: Vec<Arc<dyn Node<T>>>,
    partition: usize,
    task: TaskContext,
    part: Option<Part<T>>,
    finished: bool,
}

impl<T> Chunks<T> for OneByOne<T> {
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        // A part that has ended is let go at the next pull: what it lent must be given back first.
        if std::mem::take(&mut self.finished) {
            self.part = None;
        }
        if self.part.is_none() {
            let Some(node) = self.left.pop() else { return Ok(None) };
            self.part = Some(node.open(self.partition, &self.task)?);
        }
        let Some(part) = &mut self.part else { return Ok(None) };
        let chunk = part.next()?;
        self.finished = chunk.is_none();
        Ok(Some(chunk.unwrap_or(Chunk::Ref(&[]))))
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;
    use crate::memory::{Budget, Spill};
    use crate::rdd::tests::job;
    use crate::runtime::Site;

    /// What was stored and read back, with so much memory and disk.
    fn there_and_back<T: crate::data::Wire>(elements: Vec<T>, memory: u64, disk: u64) -> Vec<T> {
        let (job, site) = (job(2), Site::new("stored", Location::caller()));
        let folder = tempfile::tempdir().unwrap();
        let room = Room { budget: Budget::new(memory), spill: Arc::new(Spill::new(folder.path(), disk)) };
        let rdd = Rdd::parallelize(&job, elements, 3);
        let (node, stored) = (rdd.node(), Stored::like(&rdd, Codec::of()));
        let parts = job.stage(site, &[0, 1, 2], 3, |partition, task| {
            let up = Pull::new(node.open(partition, task)?, task, site);
            let part = StoredPart::write(up, Codec::of(), &room)?;
            // What goes into a commit is all of it, too.
            StoredPart::from_bytes(&part.bytes()?, &room)
        });
        stored.fill(parts.unwrap().into_iter().map(Arc::new).enumerate());
        rdd.then(stored).collect().unwrap()
    }

    #[test]
    fn records_come_back_in_order_from_memory_and_from_disk_and_also_where_neither_has_room() {
        let numbers: Vec<u32> = (0..5000).collect();
        for (memory, disk) in [(1 << 20, 1 << 20), (2000, 1 << 20), (2000, 5000), (0, 0)] {
            assert_eq!(
                there_and_back(numbers.clone(), memory, disk),
                numbers,
                "memory {memory}, disk {disk}"
            );
        }
    }

    #[test]
    fn elements_that_take_no_bytes_are_counted() {
        assert_eq!(there_and_back(vec![(); 1000], 1 << 20, 0).len(), 1000);
        assert!(there_and_back(Vec::<u8>::new(), 1 << 20, 0).is_empty());
    }
}

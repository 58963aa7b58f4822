//! `persist` and `cache`: a partition that was computed once is kept.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use parking_lot::Mutex;

use super::node::{Node, Part, Pull};
use super::wire::Codec;
use super::{Job, Rdd};
use crate::data::{Chunk, Chunks, Data, Kept, Wire};
use crate::memory::{Budget, Reservation, Spill, SpillFile, SpillReader};
use crate::runtime::{Site, TaskContext};
use crate::words::{Error, Result};

/// Elements in one written piece: large enough that its frame costs nothing, small enough to be read in the cache.
const PIECE: usize = 256;

/// Where a persisted partition is kept. What does not fit into `tidemill.memory` goes to disk or is computed again, by
/// level; so does what does not fit into `tidemill.memory.disk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StorageLevel {
    /// Values in memory; what does not fit is computed again.
    MemoryOnly,
    /// Values in memory; what does not fit goes to disk.
    MemoryAndDisk,
    /// Written down in memory: smaller, and slower to read.
    MemoryOnlySer,
    /// Written down in memory; what does not fit goes to disk.
    MemoryAndDiskSer,
    /// On disk.
    DiskOnly,
}

impl StorageLevel {
    fn in_values(self) -> bool {
        matches!(self, Self::MemoryOnly | Self::MemoryAndDisk)
    }

    fn in_memory(self) -> bool {
        self != Self::DiskOnly
    }

    fn on_disk(self) -> bool {
        matches!(self, Self::MemoryAndDisk | Self::MemoryAndDiskSer | Self::DiskOnly)
    }
}

impl<T: Data> Rdd<T> {
    /// Keeps each partition in memory once it is computed, as far as `tidemill.memory` allows: for an Rdd that several
    /// actions use. Kept until the last handle is dropped; for a stream, until the batch is forgotten.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let squares = ssc.parallelize(vec![1, 2, 3], 2).map(|n| n * n).cache();
    /// assert_eq!(squares.count()?, 3);
    /// assert_eq!(squares.collect()?, [1, 4, 9]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn cache(&self) -> Self {
        self.kept(StorageLevel::MemoryOnly, None)
    }

    /// As [`cache`](Self::cache), at a level of choice.
    #[track_caller]
    pub fn persist(&self, level: StorageLevel) -> Self
    where
        T: Wire,
    {
        self.kept(level, Some(Codec::of()))
    }

    #[track_caller]
    fn kept(&self, level: StorageLevel, codec: Option<Codec<T>>) -> Self {
        let engine = &self.job().engine;
        let kept = (0..self.num_partitions()).map(|_| Mutex::new(None)).collect();
        let site = self.site("persist", Location::caller());
        let (budget, spill) = (engine.budget.clone(), Arc::clone(&engine.spill));
        self.then(Persisted { up: self.node(), level, codec, budget, spill, site, kept })
    }
}

struct Persisted<T> {
    up: Arc<dyn Node<T>>,
    level: StorageLevel,
    // None for values that stay in memory.
    codec: Option<Codec<T>>,
    budget: Budget,
    spill: Arc<Spill>,
    site: Site,
    // By partition; none until it was computed, or where it found no room.
    kept: Vec<Mutex<Option<Places<T>>>>,
}

/// Where a partition lies: what fits in memory, and behind it what went to disk.
type Places<T> = Vec<Place<T>>;

/// A part of a partition. Clones share it, and what it takes of the budget.
enum Place<T> {
    Values(Arc<Vec<T>>, Arc<Reservation>),
    Bytes(Arc<Vec<Vec<u8>>>, Arc<Reservation>),
    File(SpillFile),
}

impl<T> Clone for Place<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Values(values, paid) => Self::Values(Arc::clone(values), Arc::clone(paid)),
            Self::Bytes(pieces, paid) => Self::Bytes(Arc::clone(pieces), Arc::clone(paid)),
            Self::File(file) => Self::File(file.clone()),
        }
    }
}

impl<T: Data> Node<T> for Persisted<T> {
    fn partitions(&self) -> usize {
        self.up.partitions()
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        self.up.owner(partition, members)
    }

    fn keyed(&self) -> bool {
        self.up.keyed()
    }

    fn lane(&self, partition: usize) -> u64 {
        self.up.lane(partition)
    }

    fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        self.up.prepare(job)
    }

    fn known_count(&self) -> Option<u64> {
        self.up.known_count()
    }

    fn open(&self, partition: usize, task: &TaskContext) -> Result<Part<T>> {
        let known = self.kept[partition].lock().clone();
        if let Some(places) = known {
            return self.read(&places, None);
        }
        let mut up = Pull::new(self.up.open(partition, task)?, task, self.site);
        let mut places = Places::new();
        let whole = (self.level.in_memory() && self.fill_memory(&mut up, &mut places)?)
            || (self.level.on_disk() && self.fill_disk(&mut up, &mut places)?);
        if whole {
            *self.kept[partition].lock() = Some(places.clone());
            return self.read(&places, None);
        }
        // No room for all of it: what was pulled is read this once, then what is left. The next reader computes again.
        self.read(&places, Some(up))
    }
}

impl<T: Data> Persisted<T> {
    /// Pulls into memory; `true` once nothing is left. The chunk that found no room is kept, so that it is not lost.
    fn fill_memory(&self, up: &mut Pull<T>, places: &mut Places<T>) -> Result<bool> {
        let Some(mut paid) = self.budget.try_reserve(0) else { return Ok(false) };
        let (mut values, mut pieces, mut bytes) = (Vec::new(), Vec::new(), 0);
        let whole = loop {
            let Some(chunk) = up.next()? else { break true };
            if self.level.in_values() {
                bytes += size_of_val(chunk.as_slice()) as u64;
                chunk.append_to(&mut values);
            } else {
                for part in chunk.as_slice().chunks(PIECE) {
                    let piece = self.written(part)?;
                    bytes += piece.len() as u64;
                    pieces.push(piece);
                }
            }
            if !paid.try_grow(bytes - paid.bytes()) {
                break false;
            }
        };
        let paid = Arc::new(paid);
        places.push(if self.level.in_values() {
            Place::Values(Arc::new(values), paid)
        } else {
            Place::Bytes(Arc::new(pieces), paid)
        });
        Ok(whole)
    }

    /// Pulls to disk; `true` once nothing is left.
    fn fill_disk(&self, up: &mut Pull<T>, places: &mut Places<T>) -> Result<bool> {
        let Some(mut file) = self.spill.writer()? else { return Ok(false) };
        let mut homeless = Vec::new();
        while homeless.is_empty()
            && let Some(chunk) = up.next()?
        {
            for part in chunk.as_slice().chunks(PIECE) {
                let piece = self.written(part)?;
                if !homeless.is_empty() || !file.push(&piece)? {
                    homeless.push(piece);
                }
            }
        }
        places.push(Place::File(file.finish()?));
        let whole = homeless.is_empty();
        if let Some(unpaid) = self.budget.try_reserve(0).filter(|_| !whole) {
            places.push(Place::Bytes(Arc::new(homeless), Arc::new(unpaid)));
        }
        Ok(whole)
    }

    fn written(&self, part: &[T]) -> Result<Vec<u8>> {
        let codec = self.codec()?;
        let mut piece = Vec::new();
        part.iter().try_for_each(|value| (codec.encode)(value, &mut piece))?;
        Ok(piece)
    }

    fn codec(&self) -> Result<Codec<T>> {
        // Invariant: only `cache` has none, and it keeps values in memory.
        self.codec.ok_or_else(|| Error::new("values are kept as they are at this level; please report this"))
    }

    fn read(&self, places: &Places<T>, rest: Option<Pull<T>>) -> Result<Part<T>> {
        let mut parts: Vec<Part<T>> = Vec::new();
        for place in places {
            parts.push(match place {
                Place::Values(values, _) => Box::new(Kept { records: Arc::clone(values), at: 0 }),
                Place::Bytes(pieces, _) => {
                    let (pieces, next) = (Arc::clone(pieces), 0);
                    Box::new(Written {
                        from: InMemory { pieces, next },
                        codec: self.codec()?,
                        out: Vec::new(),
                    })
                }
                Place::File(file) => {
                    Box::new(Written { from: file.read()?, codec: self.codec()?, out: Vec::new() })
                }
            });
        }
        parts.extend(rest.map(|rest| Box::new(rest) as Part<T>));
        if parts.len() == 1
            && let Some(only) = parts.pop()
        {
            return Ok(only);
        }
        parts.reverse();
        Ok(Box::new(OneByOne { left: parts, finished: false }))
    }
}

/// Parts of a partition, one behind the other; the next stands last.
struct OneByOne<T> {
    left: Vec<Part<T>>,
    finished: bool,
}

impl<T> Chunks<T> for OneByOne<T> {
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        // A part that has ended is let go at the next pull: what it lent must be given back first.
        if std::mem::take(&mut self.finished) {
            self.left.pop();
        }
        let Some(part) = self.left.last_mut() else { return Ok(None) };
        let chunk = part.next()?;
        self.finished = chunk.is_none();
        Ok(Some(chunk.unwrap_or(Chunk::Ref(&[]))))
    }
}

/// Where written pieces come from.
trait Source {
    fn next_piece(&mut self) -> Result<Option<&[u8]>>;
}

struct InMemory {
    pieces: Arc<Vec<Vec<u8>>>,
    next: usize,
}

impl Source for InMemory {
    fn next_piece(&mut self) -> Result<Option<&[u8]>> {
        self.next += 1;
        Ok(self.pieces.get(self.next - 1).map(Vec::as_slice))
    }
}

impl Source for SpillReader {
    fn next_piece(&mut self) -> Result<Option<&[u8]>> {
        self.next()
    }
}

/// Reads values back, a piece at a time.
struct Written<T, S> {
    from: S,
    codec: Codec<T>,
    out: Vec<T>,
}

impl<T, S: Source> Chunks<T> for Written<T, S> {
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        self.out.clear();
        let Some(mut piece) = self.from.next_piece()? else { return Ok(None) };
        while !piece.is_empty() {
            self.out.push((self.codec.decode)(&mut piece)?);
        }
        Ok(Some(Chunk::Own(&mut self.out)))
    }
}

impl fmt::Display for StorageLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

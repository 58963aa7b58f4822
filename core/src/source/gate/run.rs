//! Segments that went to disk together: how they are written, and how a task reads them back.
//!
//! A run is one piece of a spill file. Its chunks are portions of some 64 KiB, each compressed by itself (LZ4) behind two
//! numbers: how many records it holds (0 for a part of a buffer), and how many bytes it had before. So a task reads a
//! portion at a time, however large a segment was; a buffer comes back whole, as it was received.

use std::sync::Arc;

use bytes::Bytes;
use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};

use super::segment::Segment;
use crate::data::{Chunk, Chunks, Wire, check_round_trip};
use crate::memory::{Budget, Piece, PieceFrames, PieceWriter, Reservation, SpillReader};
use crate::rdd::Rejects;
use crate::runtime::TaskContext;
use crate::source::block::BlockMaker;
use crate::words::{Error, Result};

/// A portion is written once it has so many bytes: enough for the compression to find what comes again.
const PORTION: usize = 64 << 10;

/// Or so many records: no more are made at once when it is read.
const PORTION_RECORDS: u32 = 1024;

/// The two numbers in front of a portion.
const HEAD: usize = 8;

/// Buffers that have grown beyond this are not kept.
const KEPT_MAX: usize = 1 << 20;

/// Segments on disk.
pub(crate) struct Run<T> {
    piece: Piece,
    parts: Vec<Part<T>>,
    // For what is left of them in memory.
    _paid: Reservation,
}

/// One segment of a run.
enum Part<T> {
    Records { portions: u32, records: u64 },
    Block { portions: u32, bytes: usize, maker: BlockMaker<T> },
}

/// What writing needs, kept from run to run.
pub(super) struct Scratch {
    raw: Vec<u8>,
    packed: Vec<u8>,
    table: CompressTable,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { raw: Vec::new(), packed: Vec::new(), table: CompressTable::large() }
    }
}

impl<T: Wire> Run<T> {
    /// Writes `segments` behind what is in the file; `None` where the limit of the disk is reached.
    pub(super) fn write(
        segments: &[Segment<T>],
        file: &mut PieceWriter,
        scratch: &mut Scratch,
        budget: &Budget,
    ) -> Result<Option<Self>> {
        let mut parts = Vec::with_capacity(segments.len());
        let piece = file.add(|piece| {
            for segment in segments {
                let Some(part) = scratch.part(segment, piece)? else { return Ok(false) };
                parts.push(part);
            }
            Ok(true)
        });
        scratch.shrink();
        // A maker is a small closure.
        let bytes = size_of::<Self>() + parts.len() * (size_of::<Part<T>>() + 64);
        Ok(piece?.map(|piece| Self { piece, parts, _paid: budget.overdraw(bytes as u64) }))
    }
}

impl Scratch {
    fn part<T: Wire>(
        &mut self,
        segment: &Segment<T>,
        piece: &mut PieceFrames<'_>,
    ) -> Result<Option<Part<T>>> {
        let mut portions = 0;
        self.raw.clear();
        match segment {
            Segment::Records(list) => {
                let mut count = 0;
                for (at, record) in list.iter().enumerate() {
                    if at == 0 {
                        // Of a type that cannot be read back, records stay in memory: found here, they are still there.
                        check_round_trip(record)?;
                    }
                    record.encode(&mut self.raw)?;
                    count += 1;
                    if self.raw.len() >= PORTION || count == PORTION_RECORDS || at + 1 == list.len() {
                        if !self.portion(0..self.raw.len(), count, piece)? {
                            return Ok(None);
                        }
                        self.raw.clear();
                        (portions, count) = (portions + 1, 0);
                    }
                }
                Ok(Some(Part::Records { portions, records: list.len() as u64 }))
            }
            Segment::Block(block) => {
                block.encode(&mut self.raw)?;
                let bytes = self.raw.len();
                for start in (0..bytes).step_by(PORTION) {
                    if !self.portion(start..bytes.min(start + PORTION), 0, piece)? {
                        return Ok(None);
                    }
                    portions += 1;
                }
                Ok(Some(Part::Block { portions, bytes, maker: block.maker() }))
            }
            // Invariant: what is on disk is not written again.
            Segment::Spilled(_) => Err(Error::new("a run was spilled twice; please report this")),
        }
    }

    /// Writes a portion of what is in `raw`.
    fn portion(
        &mut self,
        of: std::ops::Range<usize>,
        records: u32,
        piece: &mut PieceFrames<'_>,
    ) -> Result<bool> {
        let raw = &self.raw[of];
        let length = u32::try_from(raw.len()).map_err(|_| Error::new("a record is larger than 4 GiB"))?;
        let most = HEAD + get_maximum_output_size(raw.len());
        if self.packed.len() < most {
            self.packed.resize(most, 0);
        }
        self.packed[..4].copy_from_slice(&records.to_le_bytes());
        self.packed[4..HEAD].copy_from_slice(&length.to_le_bytes());
        let packed = compress_into_with_table(raw, &mut self.packed[HEAD..], &mut self.table)
            .map_err(|error| Error::new(format!("cannot compress what is spilled: {error}")))?;
        piece.push(&self.packed[..HEAD + packed])
    }

    fn shrink(&mut self) {
        for buffer in [&mut self.raw, &mut self.packed] {
            if buffer.capacity() > KEPT_MAX {
                *buffer = Vec::new();
            }
        }
    }
}

/// Reads a run.
pub(super) struct RunChunks<T> {
    run: Arc<Run<T>>,
    reader: SpillReader,
    // The next part, and what is left of the one before it.
    part: usize,
    portions: u32,
    records: u64,
    block: Option<Box<dyn Chunks<T>>>,
    finished: bool,
    raw: Vec<u8>,
    out: Vec<T>,
    rejects: Rejects,
    task: TaskContext,
}

impl<T: Wire> RunChunks<T> {
    pub(super) fn open(run: &Arc<Run<T>>, rejects: &Rejects, task: &TaskContext) -> Result<Self> {
        Ok(Self {
            run: Arc::clone(run),
            reader: run.piece.read()?,
            part: 0,
            portions: 0,
            records: 0,
            block: None,
            finished: false,
            raw: Vec::new(),
            out: Vec::new(),
            rejects: rejects.clone(),
            task: task.clone(),
        })
    }

    /// Goes on to the next part, if there is one.
    fn open_next(&mut self) -> Result<bool> {
        let run = Arc::clone(&self.run);
        let Some(part) = run.parts.get(self.part) else { return Ok(false) };
        self.part += 1;
        match part {
            Part::Records { portions, records } => (self.portions, self.records) = (*portions, *records),
            Part::Block { portions, bytes, maker } => {
                let mut whole = Vec::with_capacity(*bytes);
                for _ in 0..*portions {
                    unpack(&mut self.reader, &mut whole)?;
                }
                let block = maker(Bytes::from(whole))?;
                self.block = Some(block.open(&self.rejects, &self.task)?);
            }
        }
        Ok(true)
    }
}

/// Reads the next portion behind what is in `raw`; how many records it holds.
fn unpack(reader: &mut SpillReader, raw: &mut Vec<u8>) -> Result<u32> {
    let start = raw.len();
    let unpacked = reader.next()?.and_then(|portion| {
        let (records, rest) = portion.split_first_chunk()?;
        let (length, packed) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        raw.resize(start + length, 0);
        let unpacked = decompress_into(packed, &mut raw[start..]).ok()?;
        (unpacked == length).then(|| u32::from_le_bytes(*records))
    });
    unpacked.ok_or_else(|| reader.corrupt("it has fewer portions than were written, or a damaged one"))
}

impl<T: Wire> Chunks<T> for RunChunks<T> {
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        // As with segments: what a block lent must be given back before it goes.
        if std::mem::take(&mut self.finished) {
            self.block = None;
        }
        while self.block.is_none() && self.portions == 0 {
            if !self.open_next()? {
                return Ok(None);
            }
        }
        if let Some(block) = &mut self.block {
            let chunk = block.next()?;
            self.finished = chunk.is_none();
            return Ok(Some(chunk.unwrap_or(Chunk::Ref(&[]))));
        }
        self.portions -= 1;
        self.raw.clear();
        self.out.clear();
        let count = unpack(&mut self.reader, &mut self.raw)?;
        let mut bytes = &self.raw[..];
        for _ in 0..count {
            self.out.push(T::decode(&mut bytes)?);
        }
        self.records = self.records.saturating_sub(u64::from(count));
        Ok(Some(Chunk::Own(&mut self.out)))
    }

    fn count_rest(&mut self) -> Result<u64> {
        let mut count = 0;
        if std::mem::take(&mut self.finished) {
            self.block = None;
        }
        loop {
            if let Some(mut block) = self.block.take() {
                count += block.count_rest()?;
            }
            // Passed over as they are.
            for _ in 0..std::mem::take(&mut self.portions) {
                self.reader.next()?;
            }
            count += std::mem::take(&mut self.records);
            if !self.open_next()? {
                return Ok(count);
            }
        }
    }
}

//! Lines of text.

use bytes::{Buf as _, BytesMut};
use memchr::memchr2;
use tidemill::{Chunk, Chunks, InputBlock as _, LineCutter, Text, TextLinesBlock};

use super::format::FileFormat;
use super::reader::FileReader;

/// So much is read at once: long enough to forget the call, short enough that a block and its lines stay in the second
/// cache until they were used.
const BLOCK: usize = 256 << 10;

/// What some programs write in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A format: each line is a record.
///
/// A line ends with `\n`, `\r` or `\r\n`; the last one may have no end. A byte order mark in front of the file does not belong
/// to its first line. A line that is not UTF-8, or too long, is rejected; the others are not touched by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextLines {
    line_bytes_max: u32,
    // Tests read in small blocks.
    block_bytes: usize,
}

impl TextLines {
    /// The longest line unless told otherwise: 1 MiB, as from a socket.
    pub const DEFAULT_LINE_BYTES_MAX: u32 = 1 << 20;

    /// Lines of text, everything at its default.
    pub fn new() -> Self {
        Self { line_bytes_max: Self::DEFAULT_LINE_BYTES_MAX, block_bytes: BLOCK }
    }

    /// The longest line in bytes, without its end; a longer one is left out, counted and reported, and never held in memory
    /// as a whole. Default: [`DEFAULT_LINE_BYTES_MAX`](Self::DEFAULT_LINE_BYTES_MAX), 1 MiB.
    #[must_use]
    pub fn line_bytes_max(mut self, bytes: u32) -> Self {
        self.line_bytes_max = bytes;
        self
    }
}

impl Default for TextLines {
    fn default() -> Self {
        Self::new()
    }
}

impl FileFormat for TextLines {
    type Record = Text;

    fn read(&self, part: FileReader) -> tidemill::Result<Box<dyn Chunks<Text>>> {
        Ok(Box::new(Lines::new(part, self.line_bytes_max as usize, self.block_bytes)))
    }

    fn splits(&self) -> bool {
        true
    }
}

/// Where reading is, beside the byte order mark.
#[derive(Clone, Copy, PartialEq)]
enum Mark {
    /// Nothing was cut yet, so it may still come.
    MayCome,
    /// It was taken off and its line not cut yet: that line has begun, even if nothing else of it was read.
    TakenOff,
    /// What comes is no mark.
    Past,
}

/// The lines that begin in a part.
struct Lines {
    part: FileReader,
    line_bytes_max: usize,
    block_bytes: usize,
    cutter: LineCutter,
    // Read and not cut yet: the beginning of a line.
    buffer: BytesMut,
    mark: Mark,
    // No more is read.
    over: bool,
    failed: Option<tidemill::Error>,
    // The lines that were cut last, and whether all of them were given.
    block: Option<Box<dyn Chunks<Text>>>,
    block_is_over: bool,
}

impl Lines {
    fn new(part: FileReader, line_bytes_max: usize, block_bytes: usize) -> Self {
        let mark = if part.from() == 0 { Mark::MayCome } else { Mark::Past };
        let cutter = cutter(&part, line_bytes_max, part.from());
        let cutter = match part.before() {
            Some(before) => cutter.behind(before),
            None => cutter,
        };
        let buffer = BytesMut::new();
        Self {
            part,
            line_bytes_max,
            block_bytes,
            cutter,
            buffer,
            mark,
            over: false,
            failed: None,
            block: None,
            block_is_over: false,
        }
    }

    /// The next block of lines; none at the end of the part, or where the file has failed.
    fn next_block(&mut self) -> Option<TextLinesBlock> {
        while !self.over {
            let in_part = self.part.to().map(|to| to.saturating_sub(self.part.position()));
            let block = if in_part == Some(0) { self.last() } else { self.inner(in_part) };
            if block.is_some() {
                self.mark = Mark::Past;
                return block;
            }
        }
        None
    }

    /// Lines that end in the part, of which so many bytes are left.
    fn inner(&mut self, in_part: Option<u64>) -> Option<TextLinesBlock> {
        let fresh = self.fetch(in_part.unwrap_or(u64::MAX));
        if fresh == 0 && !self.over {
            self.over = true;
            return self.cutter.finish(&mut self.buffer);
        }
        if self.may_be_mark() {
            return None;
        }
        self.cutter.cut(&mut self.buffer, fresh)
    }

    /// The line that was begun in the part and ends behind it, if there is one.
    fn last(&mut self) -> Option<TextLinesBlock> {
        if self.buffer.is_empty() && self.mark != Mark::TakenOff {
            self.over = true;
            return None;
        }
        let fresh = self.fetch(u64::MAX);
        let known = self.buffer.len().saturating_sub(fresh);
        match memchr2(b'\n', b'\r', &self.buffer[known..]) {
            Some(end) => self.buffer.truncate(known + end + 1),
            // A line that only a failure has ended is no line.
            None if self.over => return None,
            None if fresh == 0 => {}
            None if self.may_be_mark() => return None,
            // Gives a block only where the line is too long, and then it is over.
            None => {
                let too_long = self.cutter.cut(&mut self.buffer, fresh);
                self.over = too_long.is_some();
                return too_long;
            }
        }
        self.over = true;
        self.cutter.finish(&mut self.buffer)
    }

    /// Whether nothing was read yet but what may be the beginning of a byte order mark.
    fn may_be_mark(&self) -> bool {
        self.mark == Mark::MayCome && BYTE_ORDER_MARK.starts_with(&self.buffer)
    }

    /// Reads the next bytes behind those in the buffer, at most so many, and says how many came.
    fn fetch(&mut self, bytes_max: u64) -> usize {
        let known = self.buffer.len();
        let wanted =
            bytes_max.min(self.part.left().unwrap_or(u64::MAX)).min(self.block_bytes as u64) as usize;
        // Room for the beginning of a line too: so a buffer that nobody holds any more is used again.
        self.buffer.reserve((2 * self.block_bytes).max(known + wanted) - known);
        self.buffer.resize(known + wanted, 0);
        let (fresh, end) = self.part.fill(&mut self.buffer[known..]);
        self.buffer.truncate(known + fresh);
        if let Err(error) = end {
            self.failed = Some(tidemill::Error::from_user(error.into()));
            self.over = true;
        }
        if self.mark == Mark::MayCome && self.buffer.starts_with(BYTE_ORDER_MARK) {
            self.buffer.advance(BYTE_ORDER_MARK.len());
            self.cutter = cutter(&self.part, self.line_bytes_max, BYTE_ORDER_MARK.len() as u64);
            self.mark = Mark::TakenOff;
        }
        fresh
    }

    /// Opens the next block. Whether there was one.
    fn open_next(&mut self) -> tidemill::Result<bool> {
        // Its buffer comes back with it.
        (self.block, self.block_is_over) = (None, false);
        let Some(block) = self.next_block() else {
            return self.failed.take().map_or(Ok(false), Err);
        };
        self.block = Some(block.open(self.part.rejects(), self.part.task())?);
        Ok(true)
    }
}

impl Chunks<Text> for Lines {
    fn next(&mut self) -> tidemill::Result<Option<Chunk<'_, Text>>> {
        // A block that is over is let go at the next pull: what it lent must be given back first.
        if (self.block.is_none() || self.block_is_over) && !self.open_next()? {
            return Ok(None);
        }
        let Some(block) = &mut self.block else { return Ok(None) };
        let chunk = block.next()?;
        self.block_is_over = chunk.is_none();
        Ok(Some(chunk.unwrap_or(Chunk::Ref(&[]))))
    }

    fn count_rest(&mut self) -> tidemill::Result<u64> {
        let mut count = 0;
        loop {
            if let Some(block) = &mut self.block
                && !self.block_is_over
            {
                count += block.count_rest()?;
            }
            if !self.open_next()? {
                return Ok(count);
            }
        }
    }
}

fn cutter(part: &FileReader, line_bytes_max: usize, offset: u64) -> LineCutter {
    LineCutter::new(line_bytes_max).advice("raise `TextLines::line_bytes_max`").named(part.name(), offset)
}

#[cfg(test)]
#[path = "lines/tests.rs"]
mod tests;

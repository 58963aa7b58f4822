//! Lines of text that stay together until a task cuts them.

use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::{memchr2, memrchr2};

use super::block::{BlockMaker, InputBlock};
use crate::data::{Chunk, Chunks, Text, TextBlock, TextLines, count_lines};
use crate::rdd::{Rejected, Rejects};
use crate::runtime::TaskContext;
use crate::words::Result;

/// Lines are lent in portions of this many: enough to forget the call, few enough to stay in the cache.
const PORTION: usize = 256;

/// Whole lines as they came; tasks check that they are UTF-8 and cut them.
///
/// A line ends with `\n`, `\r` or `\r\n`, as in Java's `readLine`; the last one may have no end. A line that is not UTF-8,
/// or longer than the limit, is rejected; the others are not touched by it.
#[derive(Clone, Debug)]
pub struct TextLinesBlock {
    bytes: Bytes,
    lines: u64,
    limit: Limit,
    // The last line is not there: too long to be kept.
    too_long: bool,
    place: Place,
}

impl TextLinesBlock {
    /// A block of these lines, each of at most `line_bytes_max` bytes. The bytes are not copied.
    pub fn new(bytes: impl Into<Bytes>, line_bytes_max: usize) -> Self {
        Self::of(bytes.into(), false, Limit { line_bytes_max, advice: "" }, Place::default())
    }

    fn of(bytes: Bytes, too_long: bool, limit: Limit, place: Place) -> Self {
        // Counted on the I/O side, so two quick looks and no cutting.
        Self { lines: count_lines(&bytes) as u64, bytes, limit, too_long, place }
    }
}

/// Where a block begins.
#[derive(Clone, Debug, Default)]
struct Place {
    // What the bytes come from; none where nobody could find them there again.
    source: Option<Arc<str>>,
    // The first byte, counted from the beginning of the source.
    offset: u64,
}

impl Place {
    /// The byte so far behind the beginning, for people.
    fn at(&self, byte: usize) -> String {
        match &self.source {
            Some(source) => format!("{source}, byte {}", self.offset + byte as u64),
            None => format!("byte {byte} of its block"),
        }
    }
}

/// How long a line may be.
#[derive(Clone, Copy, Debug)]
struct Limit {
    line_bytes_max: usize,
    // What to do about a longer one; may be empty.
    advice: &'static str,
}

impl Limit {
    /// Why a line is left out.
    fn exceeded(self, at_least: &str, length: usize) -> String {
        let Self { line_bytes_max, advice } = self;
        let behind = if advice.is_empty() { "" } else { "; " };
        format!("a line of {at_least}{length} bytes is longer than {line_bytes_max}{behind}{advice}")
    }
}

impl InputBlock<Text> for TextLinesBlock {
    fn records(&self) -> u64 {
        self.lines + u64::from(self.too_long)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.bytes.len()
    }

    fn open(&self, rejects: &Rejects, _task: &TaskContext) -> Result<Box<dyn Chunks<Text>>> {
        if self.too_long {
            rejects.add(|| {
                let error = self.limit.exceeded("at least ", self.limit.line_bytes_max.saturating_add(1));
                Rejected::new(self.place.at(self.bytes.len()), error, Bytes::new())
            });
        }
        Ok(Box::new(Lines {
            place: self.place.clone(),
            whole: self.bytes.clone(),
            run: 0,
            rest: self.bytes.clone(),
            // A block that is no longer than a line may be has no line that is too long.
            limit: (self.bytes.len() > self.limit.line_bytes_max).then_some(self.limit),
            untouched: Some(self.lines),
            current: None,
            out: Vec::new(),
            rejects: rejects.clone(),
        }))
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&self.bytes);
        Ok(())
    }

    fn maker(&self) -> BlockMaker<Text> {
        let Self { lines, limit, too_long, .. } = *self;
        let place = self.place.clone();
        Arc::new(move |bytes| Ok(Arc::new(Self { bytes, lines, limit, too_long, place: place.clone() })))
    }
}

/// The lines of a block.
struct Lines {
    place: Place,
    whole: Bytes,
    // Where `current` begins in the whole.
    run: usize,
    // What was not looked at yet; begins with a line.
    rest: Bytes,
    // None where no line can be too long.
    limit: Option<Limit>,
    // How many lines the block has, until the first is asked for.
    untouched: Option<u64>,
    // A run of valid text in front of `rest`.
    current: Option<TextLines>,
    out: Vec<Text>,
    rejects: Rejects,
}

impl Lines {
    /// Makes `current` of the valid text in front of `rest`, and takes off the bad line behind it, if there is one.
    fn next_run(&mut self) {
        self.run = self.whole.len() - self.rest.len();
        let bad = match TextBlock::from_utf8(self.rest.clone()) {
            Ok(block) => {
                self.rest = Bytes::new();
                self.current = Some(block.lines());
                return;
            }
            Err(error) => error.valid_up_to(),
        };
        let start = memrchr2(b'\n', b'\r', &self.rest[..bad]).map_or(0, |end| end + 1);
        let end = memchr2(b'\n', b'\r', &self.rest[bad..]).map_or(self.rest.len(), |end| bad + end);
        let behind = match &self.rest[end..] {
            [b'\r', b'\n', ..] => end + 2,
            [] => end,
            _ => end + 1,
        };
        self.rejects.add(|| {
            let line = self.rest.slice(start..end);
            Rejected::new(self.place.at(self.run + start), not_text(&line, bad - start), line)
        });
        let run = self.rest.split_to(start);
        self.rest.advance(behind - start);
        // Invariant: what stands before the first bad byte is valid.
        self.current = TextBlock::from_utf8(run).ok().map(|block| block.lines());
    }

    /// Takes lines that are too long out of `out`, whose first begins at byte `start` of the whole.
    fn leave_out_long_lines(&mut self, start: usize) {
        let Some(limit) = self.limit else { return };
        let Self { place, whole, rejects, .. } = self;
        let mut next = start;
        self.out.retain(|line| {
            let (start, end) = (next, next + line.len());
            next = end + if whole[end..].starts_with(b"\r\n") { 2 } else { 1 };
            let fits = line.len() <= limit.line_bytes_max;
            if !fits {
                let bytes = || whole.slice(start..end);
                rejects.add(|| Rejected::new(place.at(start), limit.exceeded("", line.len()), bytes()));
            }
            fits
        });
    }
}

impl Chunks<Text> for Lines {
    fn next(&mut self) -> Result<Option<Chunk<'_, Text>>> {
        self.untouched = None;
        loop {
            if let Some(lines) = &mut self.current {
                self.out.clear();
                let start = self.run + lines.position();
                if lines.fill(&mut self.out, PORTION) > 0 {
                    self.leave_out_long_lines(start);
                    return Ok(Some(Chunk::Own(&mut self.out)));
                }
                self.current = None;
            }
            if self.rest.is_empty() {
                return Ok(None);
            }
            self.next_run();
        }
    }

    fn count_rest(&mut self) -> Result<u64> {
        // The lines were counted when they came in; only their being text is still to be seen.
        if let (Some(lines), None) = (self.untouched, self.limit)
            && (self.rest.is_ascii() || str::from_utf8(&self.rest).is_ok())
        {
            self.rest = Bytes::new();
            return Ok(lines);
        }
        let mut count = 0;
        while let Some(chunk) = self.next()? {
            count += chunk.as_slice().len() as u64;
        }
        Ok(count)
    }
}

/// Why a line is left out, with the bytes around the one at `bad`.
fn not_text(line: &[u8], bad: usize) -> String {
    const AROUND: usize = 16;
    let shown = &line[bad.saturating_sub(AROUND)..line.len().min(bad + AROUND)];
    format!("a line is not UTF-8 at byte {bad} of {}, around `{}`", line.len(), shown.escape_ascii())
}

/// Makes blocks of whole lines from bytes that come in pieces of any length: the reading side of a connector for text.
///
/// A line whose end is `\r` is handed on at once, though its `\n` may be still on its way: that one is passed over when it
/// comes, so a `\r\n` that is torn between two reads makes no empty line.
///
/// ```
/// use bytes::BytesMut;
/// use tidemill::{InputBlock, LineCutter};
///
/// let mut cutter = LineCutter::new(1 << 20);
/// let mut buffer = BytesMut::from("to be\nor n");
/// assert_eq!(cutter.cut(&mut buffer, 10).expect("a whole line").records(), 1);
/// buffer.extend_from_slice(b"ot");
/// assert!(cutter.cut(&mut buffer, 2).is_none());
/// assert_eq!(cutter.finish(&mut buffer).expect("the last line").records(), 1);
/// ```
#[derive(Debug)]
pub struct LineCutter {
    limit: Limit,
    // The last block ended with `\r`: a `\n` that comes next belongs to it.
    behind_return: bool,
    // What comes is the rest of a line that was too long, or whose beginning is none of ours.
    passing_over: bool,
    // Where the buffer begins.
    place: Place,
}

impl LineCutter {
    /// A cutter of lines of at most `line_bytes_max` bytes: the buffer never keeps more.
    pub fn new(line_bytes_max: usize) -> Self {
        let limit = Limit { line_bytes_max, advice: "" };
        Self { limit, behind_return: false, passing_over: false, place: Place::default() }
    }

    /// The bytes come from `source`, from its byte `offset` on: rejected lines say where they stand there, as in
    /// `/in/log.txt, byte 170`. Default: they say where they stand in their block.
    #[must_use]
    pub fn named(mut self, source: impl Into<Arc<str>>, offset: u64) -> Self {
        self.place = Place { source: Some(source.into()), offset };
        self
    }

    /// The bytes come from the middle of something, where `before` is the byte before them: what is left of the line that it
    /// belongs to is passed over.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use tidemill::{InputBlock, LineCutter};
    ///
    /// let (mut cutter, mut buffer) = (LineCutter::new(80).behind(b'b'), BytesMut::from("e\r\nor not\n"));
    /// assert_eq!(cutter.cut(&mut buffer, 11).expect("a whole line").records(), 1);
    /// ```
    #[must_use]
    pub fn behind(mut self, before: u8) -> Self {
        self.behind_return = before == b'\r';
        self.passing_over = !matches!(before, b'\n' | b'\r');
        self
    }

    /// What to do about a line that is too long, for the reason that is reported with it: "raise `…`". Default: nothing is
    /// said.
    #[must_use]
    pub fn advice(mut self, advice: &'static str) -> Self {
        self.limit.advice = advice;
        self
    }

    /// Takes the whole lines out of `buffer`, whose last `fresh` bytes are new since the last call. What is left there is
    /// the beginning of a line.
    pub fn cut(&mut self, buffer: &mut BytesMut, fresh: usize) -> Option<TextLinesBlock> {
        if !self.pass_over(buffer) {
            return None;
        }
        // Invariant: in front of `fresh` there is no end of a line, or it would have been cut there.
        let known = buffer.len().saturating_sub(fresh);
        let end = memrchr2(b'\n', b'\r', &buffer[known..]).map_or(0, |end| known + end + 1);
        let place = self.place.clone();
        let bytes = self.take(buffer, end);
        self.behind_return = buffer.is_empty() && bytes.ends_with(b"\r");
        let too_long = buffer.len() > self.limit.line_bytes_max;
        if too_long {
            self.take(buffer, buffer.len());
            self.passing_over = true;
        }
        let block = TextLinesBlock::of(bytes, too_long, self.limit, place);
        (block.records() > 0).then_some(block)
    }

    /// The source has ended: what is left in `buffer` is the last line. What comes next begins with a new one.
    pub fn finish(&mut self, buffer: &mut BytesMut) -> Option<TextLinesBlock> {
        (self.behind_return, self.passing_over) = (false, false);
        let place = self.place.clone();
        let last = self.take(buffer, buffer.len());
        (!last.is_empty()).then(|| TextLinesBlock::of(last, false, self.limit, place))
    }

    /// The first bytes of the buffer, which begins behind them now.
    fn take(&mut self, buffer: &mut BytesMut, bytes: usize) -> Bytes {
        self.place.offset += bytes as u64;
        buffer.split_to(bytes).freeze()
    }

    /// Takes off the rest of a line that was too long, and the `\n` of a torn `\r\n`. Whether that is over.
    fn pass_over(&mut self, buffer: &mut BytesMut) -> bool {
        if self.passing_over {
            let Some(end) = memchr2(b'\n', b'\r', buffer) else {
                self.take(buffer, buffer.len());
                return false;
            };
            self.behind_return = buffer[end] == b'\r';
            self.passing_over = false;
            self.take(buffer, end + 1);
        }
        if std::mem::take(&mut self.behind_return) {
            match buffer.first() {
                Some(b'\n') => drop(self.take(buffer, 1)),
                Some(_) => {}
                None => {
                    self.behind_return = true;
                    return false;
                }
            }
        }
        true
    }
}

#[cfg(test)]
#[path = "text_block/tests.rs"]
mod tests;

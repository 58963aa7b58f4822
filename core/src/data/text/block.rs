//! Cutting a block of text into lines.

use std::fmt;

use bytes::Bytes;
use memchr::{memchr, memchr_iter};

use super::repr::{Text, TextBlock};

impl TextBlock {
    /// A block of these bytes; what is not UTF-8 becomes U+FFFD, as with Java's readers.
    ///
    /// Bytes that are UTF-8 are not copied.
    ///
    /// ```
    /// use tidemill::TextBlock;
    ///
    /// assert_eq!(TextBlock::from_utf8_lossy(b"na\xefve".to_vec()).as_str(), "na\u{fffd}ve");
    /// ```
    pub fn from_utf8_lossy(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::from_utf8(bytes.clone())
            .unwrap_or_else(|_| Self::from(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The lines, to be taken in portions.
    ///
    /// A line ends with `\n`, `\r` or `\r\n`, as in Java's `readLine`; the end does not belong to it. An empty line is
    /// a line, and so is a last one without an end.
    pub fn lines(&self) -> TextLines {
        let bytes = self.as_str().as_bytes();
        let (newline, carriage) = (find(b'\n', bytes, 0), find(b'\r', bytes, 0));
        TextLines { block: self.clone(), at: 0, newline, carriage }
    }

    /// How many lines [`lines`](TextBlock::lines) gives, without cutting them.
    ///
    /// ```
    /// use tidemill::TextBlock;
    ///
    /// assert_eq!(TextBlock::from("to be\r\n\nor not".to_owned()).count_lines(), 3);
    /// ```
    pub fn count_lines(&self) -> usize {
        count_lines(self.as_str().as_bytes())
    }
}

/// How many lines there are, also in what is not UTF-8.
pub(crate) fn count_lines(bytes: &[u8]) -> usize {
    let newlines = memchr_iter(b'\n', bytes).count();
    let lone = memchr_iter(b'\r', bytes).filter(|at| bytes.get(at + 1) != Some(&b'\n')).count();
    let open = bytes.last().is_some_and(|last| !matches!(last, b'\n' | b'\r'));
    newlines + lone + usize::from(open)
}

/// The lines of a [`TextBlock`] that were not taken yet.
#[derive(Clone)]
pub struct TextLines {
    block: TextBlock,
    /// Where the next line begins.
    at: usize,
    /// The first `\n` at or behind `at`, the block's length if there is none. Both ends are remembered, so that each
    /// byte is looked at twice at most, however rare one of them is.
    newline: usize,
    /// The first `\r`, likewise.
    carriage: usize,
}

impl TextLines {
    /// Pushes the next lines, at most `max`, and says how many; 0 only at the end (or for a `max` of 0).
    ///
    /// ```
    /// use tidemill::TextBlock;
    ///
    /// let mut lines = TextBlock::from("one\ntwo\nthree".to_owned()).lines();
    /// let mut chunk = Vec::new();
    /// assert_eq!(lines.fill(&mut chunk, 2), 2);
    /// assert_eq!(lines.fill(&mut chunk, 2), 1);
    /// assert_eq!(lines.fill(&mut chunk, 2), 0);
    /// assert_eq!(chunk, ["one", "two", "three"]);
    /// ```
    pub fn fill(&mut self, out: &mut Vec<Text>, max: usize) -> usize {
        let before = out.len();
        let Self { block, at, newline, carriage } = self;
        let text = block.as_str();
        let bytes = text.as_bytes();
        let mut left = max;
        block.push_pieces(out, || {
            if left == 0 || *at >= bytes.len() {
                return None;
            }
            left -= 1;
            let (start, end) = (*at, (*newline).min(*carriage));
            *at = if *carriage < *newline && *newline != *carriage + 1 { *carriage } else { *newline } + 1;
            if *newline < *at {
                *newline = find(b'\n', bytes, *at);
            }
            if *carriage < *at {
                *carriage = find(b'\r', bytes, *at);
            }
            Some(&text[start..end])
        });
        out.len() - before
    }

    /// How many bytes of the block the lines taken so far cover, their ends included.
    pub fn position(&self) -> usize {
        self.at.min(self.block.as_str().len())
    }
}

/// The first `wanted` at or behind `from`; the length if there is none.
#[inline]
fn find(wanted: u8, bytes: &[u8], from: usize) -> usize {
    bytes.get(from..).and_then(|rest| memchr(wanted, rest)).map_or(bytes.len(), |at| from + at)
}

impl fmt::Debug for TextLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextLines")
            .field("block", &self.block)
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}

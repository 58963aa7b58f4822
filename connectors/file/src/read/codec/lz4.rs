//! The LZ4 frame format: frames one behind the other, as the `lz4` tool writes them.
//!
//! The frames are taken apart here and only their blocks are left to the library, whose own reader of frames takes a file
//! that ends between two blocks for a whole one.

use std::io::{self, BufRead, Read};

use lz4_flex::block::{decompress_into, decompress_into_with_dict};
use xxhash_rust::xxh32::{Xxh32, xxh32};

use super::{damaged, skip};

const FRAME: u32 = 0x184d_2204;
const LEGACY_FRAME: u32 = 0x184c_2102;
/// The last four bits of a skippable frame's magic number are free.
const SKIPPABLE_FRAME: u32 = 0x184d_2a50;

/// So far back a block may refer to those before it.
const WINDOW: usize = 64 << 10;

/// The content of all frames.
pub(super) struct Lz4Frames<R> {
    source: R,
    frame: Option<Frame>,
    // A block as it lies in the file.
    compressed: Vec<u8>,
    // A block's content: what was not taken yet is from `at` to `end`.
    content: Vec<u8>,
    at: usize,
    end: usize,
    // The content before the block, as far as it may refer to it.
    window: Vec<u8>,
}

/// What a frame's header says, and what was seen of the frame.
struct Frame {
    block_bytes_max: usize,
    independent: bool,
    block_checksums: bool,
    content_bytes: Option<u64>,
    content_checksum: bool,
    seen: u64,
    hash: Xxh32,
}

impl<R: BufRead> Lz4Frames<R> {
    pub(super) fn new(source: R) -> Self {
        let (compressed, content, window) = (Vec::new(), Vec::new(), Vec::new());
        Self { source, frame: None, compressed, content, at: 0, end: 0, window }
    }

    /// Begins the next frame, if there is one.
    fn begin(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(None);
            }
            match self.number()? {
                FRAME => break,
                magic if magic & !0xf == SKIPPABLE_FRAME => {
                    let length = self.number()?;
                    skip(&mut self.source, length.into())?;
                }
                LEGACY_FRAME => {
                    return Err(damaged("frames of `lz4 -l` are not read; write the file with `lz4`"));
                }
                _ => {
                    let what = "this is no LZ4 frame; Hadoop's Lz4Codec writes a format of its own under the same ending";
                    return Err(damaged(what));
                }
            }
        }
        let frame = self.header()?;
        self.content.resize(frame.block_bytes_max, 0);
        self.window.clear();
        Ok(Some(frame))
    }

    /// What stands behind the magic number.
    fn header(&mut self) -> io::Result<Frame> {
        // Two bytes of flags, then the content's length and a dictionary's number where the flags say so, then a check.
        let mut header = [0; 15];
        self.source.read_exact(&mut header[..2])?;
        let [flags, sizes, ..] = header;
        let has = |bit: u8| flags & (1 << bit) != 0;
        if flags >> 6 != 1 {
            return Err(damaged(format!("version {} of LZ4 frames is not known", flags >> 6)));
        }
        if has(0) {
            return Err(damaged("the frame needs a dictionary"));
        }
        let block_bytes_max = match (sizes >> 4) & 7 {
            size @ 4..=7 => 1 << (2 * size + 8),
            size => return Err(damaged(format!("size {size} of LZ4 blocks is not known"))),
        };
        let length = if has(3) { 10 } else { 2 };
        self.source.read_exact(&mut header[2..=length])?;
        if header[length] != (xxh32(&header[..length], 0) >> 8) as u8 {
            return Err(damaged("the checksum of the frame's header does not fit"));
        }
        let content_bytes = header[2..length].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        Ok(Frame {
            block_bytes_max,
            independent: has(5),
            block_checksums: has(4),
            content_bytes,
            content_checksum: has(2),
            seen: 0,
            hash: Xxh32::new(0),
        })
    }

    /// Decodes the next block of `frame`. Whether there was one: if not, the frame has ended as it should.
    fn block(&mut self, frame: &mut Frame) -> io::Result<bool> {
        let size = self.number()?;
        if size == 0 {
            self.close(frame)?;
            return Ok(false);
        }
        let (plain, length) = (size >> 31 == 1, (size & 0x7fff_ffff) as usize);
        if length > frame.block_bytes_max {
            return Err(damaged(format!("a block of {length} bytes is longer than its frame allows")));
        }
        self.compressed.resize(length, 0);
        self.source.read_exact(&mut self.compressed)?;
        if frame.block_checksums && self.number()? != xxh32(&self.compressed, 0) {
            return Err(damaged("the checksum of a block does not fit"));
        }
        let out = &mut self.content[..frame.block_bytes_max];
        let end = if plain {
            out[..length].copy_from_slice(&self.compressed);
            length
        } else if frame.independent || self.window.is_empty() {
            decompress_into(&self.compressed, out).map_err(broken)?
        } else {
            decompress_into_with_dict(&self.compressed, out, &self.window).map_err(broken)?
        };
        (self.at, self.end) = (0, end);
        let content = &self.content[..end];
        frame.seen += end as u64;
        if frame.content_checksum {
            frame.hash.update(content);
        }
        if !frame.independent {
            let kept = WINDOW.saturating_sub(end).min(self.window.len());
            self.window.drain(..self.window.len() - kept);
            self.window.extend_from_slice(&content[end.saturating_sub(WINDOW)..]);
        }
        Ok(true)
    }

    /// Whether the frame's content is what was written.
    fn close(&mut self, frame: &Frame) -> io::Result<()> {
        if let Some(bytes) = frame.content_bytes
            && bytes != frame.seen
        {
            return Err(damaged(format!("the frame has {} bytes of content and says {bytes}", frame.seen)));
        }
        if frame.content_checksum && self.number()? != frame.hash.digest() {
            return Err(damaged("the checksum of the content does not fit"));
        }
        Ok(())
    }

    fn number(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.source.read_exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }
}

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.end && !out.is_empty() {
            let frame = match self.frame.take() {
                Some(frame) => Some(frame),
                None => self.begin()?,
            };
            let Some(mut frame) = frame else { return Ok(0) };
            if self.block(&mut frame)? {
                self.frame = Some(frame);
            }
        }
        let read = (self.end - self.at).min(out.len());
        out[..read].copy_from_slice(&self.content[self.at..self.at + read]);
        self.at += read;
        Ok(read)
    }
}

fn broken(error: lz4_flex::block::DecompressError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

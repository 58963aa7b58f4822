//! Whole frames in one buffer, decoded by the tasks of the batch.

use std::sync::Arc;

use bytes::Bytes;
use tidemill::{BlockMaker, Chunk, Chunks, InputBlock, Rejected, Rejects, Result, TaskContext};

use crate::decoder::{Decoder, Frame};

/// Frames are decoded in portions of this many: enough to forget the call, few enough to stay in the cache.
const PORTION: usize = 256;

/// Whole frames, as they came.
pub(crate) struct FrameBlock<D>(Arc<Frames<D>>);

struct Frames<D> {
    bytes: Bytes,
    /// Where each frame ends; the first begins at 0.
    ends: Vec<usize>,
    decoder: Arc<D>,
}

impl<D: Decoder> FrameBlock<D> {
    pub(crate) fn new(bytes: Bytes, ends: Vec<usize>, decoder: &Arc<D>) -> Self {
        Self(Arc::new(Frames { bytes, ends, decoder: Arc::clone(decoder) }))
    }
}

impl<D: Decoder> InputBlock<D::Record> for FrameBlock<D> {
    /// A frame counts as a record: how many it holds is known once it is decoded.
    fn records(&self) -> u64 {
        self.0.ends.len() as u64
    }

    fn size(&self) -> usize {
        size_of::<Frames<D>>() + self.0.bytes.len() + self.0.ends.capacity() * size_of::<usize>()
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        // The ends stand behind the frames, and their number behind those.
        let Frames { bytes, ends, .. } = &*self.0;
        out.extend_from_slice(bytes);
        let ends = ends.iter().map(|end| *end as u64).chain([ends.len() as u64]);
        out.extend(ends.flat_map(u64::to_le_bytes));
        Ok(())
    }

    fn maker(&self) -> BlockMaker<D::Record> {
        let decoder = Arc::clone(&self.0.decoder);
        Arc::new(move |written| {
            let block = read_back(written, &decoder);
            Ok(Arc::new(block.ok_or_else(|| tidemill::Error::new("a block of frames is damaged"))?))
        })
    }

    fn open(&self, rejects: &Rejects, _task: &TaskContext) -> Result<Box<dyn Chunks<D::Record>>> {
        let frames = Arc::clone(&self.0);
        Ok(Box::new(FrameChunks { frames, at: 0, start: 0, out: Vec::new(), rejects: rejects.clone() }))
    }
}

/// The block that was written down as these bytes.
fn read_back<D: Decoder>(mut written: Bytes, decoder: &Arc<D>) -> Option<FrameBlock<D>> {
    const NUMBER: usize = size_of::<u64>();
    let number = |bytes: &[u8]| Some(u64::from_le_bytes(bytes.try_into().ok()?) as usize);
    let count = number(&written.split_off(written.len().checked_sub(NUMBER)?))?;
    let ends = written.split_off(written.len().checked_sub(count.checked_mul(NUMBER)?)?);
    let ends: Vec<usize> = ends.chunks_exact(NUMBER).filter_map(number).collect();
    let sound = ends.is_sorted() && ends.last().is_none_or(|last| *last == written.len());
    sound.then(|| FrameBlock::new(written, ends, decoder))
}

/// The records of a block.
struct FrameChunks<D: Decoder> {
    frames: Arc<Frames<D>>,
    /// The next frame, and where it begins.
    at: usize,
    start: usize,
    out: Vec<D::Record>,
    rejects: Rejects,
}

impl<D: Decoder> Chunks<D::Record> for FrameChunks<D> {
    fn next(&mut self) -> Result<Option<Chunk<'_, D::Record>>> {
        let Frames { bytes, ends, decoder } = &*self.frames;
        if self.at == ends.len() {
            return Ok(None);
        }
        self.out.clear();
        for &end in ends[self.at..].iter().take(PORTION) {
            let before = self.out.len();
            let frame = Frame::new(&bytes[self.start..end], bytes);
            if let Err(error) = decoder.decode(frame, &mut self.out) {
                self.out.truncate(before);
                self.rejects.add(|| Rejected {
                    at: format!("byte {} of its block", self.start),
                    error: format!("a frame of {} bytes cannot be decoded: {error}", end - self.start),
                    bytes: bytes.slice(self.start..end),
                });
            }
            (self.at, self.start) = (self.at + 1, end);
        }
        Ok(Some(Chunk::Own(&mut self.out)))
    }
}

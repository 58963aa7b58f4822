//! Where frames end, on the I/O side: as the decoder says.

use std::sync::Arc;

use bytes::BytesMut;
use tidemill::{BoxError, Rejected};

use crate::decoder::Decoder;
use crate::frame_block::FrameBlock;
use crate::receiver::{Cut, Taken};
use crate::{Error, SocketConfig};

/// Cuts behind the last complete frame; the rest waits for the next read.
pub(crate) struct FrameCut<D> {
    decoder: Arc<D>,
    address: String,
    frame_bytes_max: u32,
    /// What of a frame does not count for the limit.
    header: usize,
    /// So many bytes in front of the buffer are known to have no end of a frame.
    seen: usize,
}

impl<D: Decoder> FrameCut<D> {
    pub(crate) fn new(config: &SocketConfig, decoder: &Arc<D>, header: usize) -> Self {
        Self {
            decoder: Arc::clone(decoder),
            address: config.to_string(),
            frame_bytes_max: config.frame_bytes_max,
            header,
            seen: 0,
        }
    }

    /// Where the frame in front of `bytes` ends.
    fn next(&self, bytes: &[u8], seen: usize) -> Result<Option<usize>, Error> {
        let framing = |source: BoxError| match source.downcast::<Error>() {
            // The decoder of raw streams knows a frame's length before the frame is there.
            Ok(ours) => *ours,
            Err(source) => Error::Framing { address: self.address.clone(), source },
        };
        let end = self.decoder.frame(bytes, seen).map_err(framing)?;
        let longest = u64::from(self.frame_bytes_max) + self.header as u64;
        match end {
            Some(end) if end == 0 || end > bytes.len() => Err(framing(
                format!("the decoder found a frame of {end} bytes where there are {}", bytes.len()).into(),
            )),
            Some(end) if end as u64 > longest => Err(self.too_long(end, true)),
            None if bytes.len() as u64 > longest => Err(self.too_long(bytes.len(), false)),
            end => Ok(end),
        }
    }

    fn too_long(&self, length: usize, complete: bool) -> Error {
        Error::FrameTooLong {
            address: self.address.clone(),
            length: length as u64,
            complete,
            frame_bytes_max: self.frame_bytes_max,
        }
    }
}

impl<D: Decoder> Cut for FrameCut<D> {
    type Record = D::Record;
    type Block = FrameBlock<D>;

    fn cut(&mut self, buffer: &mut BytesMut, _fresh: usize) -> Taken<FrameBlock<D>> {
        let (mut at, mut ends) = (0, Vec::new());
        let failed = loop {
            if at == buffer.len() {
                self.seen = 0;
                break None;
            }
            match self.next(&buffer[at..], self.seen) {
                Ok(Some(length)) => {
                    at += length;
                    ends.push(at);
                    self.seen = 0;
                }
                Ok(None) => {
                    self.seen = buffer.len() - at;
                    break None;
                }
                Err(error) => break Some(error),
            }
        };
        let bytes = buffer.split_to(at).freeze();
        let block = (at > 0).then(|| FrameBlock::new(bytes, ends, &self.decoder));
        Taken { block, rejected: None, failed }
    }

    fn end(&mut self, rest: &mut BytesMut) -> Taken<FrameBlock<D>> {
        let rest = rest.split().freeze();
        if rest.is_empty() {
            return Taken::block(None);
        }
        let length = rest.len();
        if self.decoder.ends_with(&rest) {
            return Taken::block(Some(FrameBlock::new(rest, vec![length], &self.decoder)));
        }
        let reason = format!("{} closed the connection behind {length} bytes of a frame", self.address);
        let rejected = Rejected::new("the end of the connection", reason, rest);
        Taken { block: None, rejected: Some(rejected), failed: None }
    }
}

//! Zstandard: frames one behind the other.

use std::io::{self, BufRead, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{damaged, skip};

/// About so much is decoded at once.
const STEP: usize = 128 << 10;

/// A frame without content. A decoder that has seen one refuses frames that want more than 100 MiB of window; it takes its
/// first frame whatever that wants.
const EMPTY: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x00, 0x01, 0x00, 0x00];

/// The content of all frames.
pub(super) struct ZstdFrames<R> {
    source: R,
    decoder: FrameDecoder,
    // In the middle of a frame, or with content of its that was not taken yet.
    in_frame: bool,
}

impl<R: BufRead> ZstdFrames<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, decoder: FrameDecoder::new(), in_frame: false }
    }

    /// Begins the next frame. Whether there is one.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            self.decoder.reset(EMPTY).map_err(broken)?;
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    skip(&mut self.source, length.into())?;
                }
                Err(error) => return Err(broken(error)),
            }
        }
    }

    /// Decodes on until there is content to be taken, or the frame has ended.
    fn decode(&mut self) -> io::Result<()> {
        while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
            let (decoder, source) = (&mut self.decoder, &mut self.source);
            // The decoder panics at some damaged frames. It is not used again.
            let step = catch_unwind(AssertUnwindSafe(|| {
                decoder.decode_blocks(source, BlockDecodingStrategy::UptoBytes(STEP))
            }));
            step.map_err(|_| damaged("the frame makes no sense"))?.map_err(broken)?;
        }
        Ok(())
    }

    /// Whether the content of the frame, which was taken to its end, is what was written.
    fn check(&self) -> io::Result<()> {
        match self.decoder.get_checksum_from_data() {
            Some(written) if self.decoder.get_calculated_checksum() != Some(written) => {
                Err(damaged("the checksum of the content does not fit"))
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame {
                self.in_frame = self.begin()?;
                if !self.in_frame {
                    return Ok(0);
                }
            }
            self.decode()?;
            let read = self.decoder.read(out)?;
            if read > 0 {
                return Ok(read);
            }
            self.check()?;
            self.in_frame = false;
        }
    }
}

fn broken(error: FrameDecoderError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

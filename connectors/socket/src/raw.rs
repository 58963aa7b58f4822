//! Raw frames: a length, then so many bytes.

use bytes::Bytes;
use tidemill::BoxError;

use crate::decoder::{Decoder, Frame};
use crate::{Error, SocketConfig};

/// The length: four bytes, the highest first.
pub(crate) const HEADER: usize = 4;

/// Frames as Spark's `rawSocketStream` has them; a record is the content of one.
pub(crate) struct RawFrames {
    address: String,
    frame_bytes_max: u32,
}

impl RawFrames {
    pub(crate) fn new(config: &SocketConfig) -> Self {
        Self { address: config.to_string(), frame_bytes_max: config.frame_bytes_max }
    }
}

impl Decoder for RawFrames {
    type Record = Bytes;

    fn frame(&self, bytes: &[u8], _seen: usize) -> Result<Option<usize>, BoxError> {
        let Some(header) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
        let length = u32::from_be_bytes(*header);
        // Refused before its content is waited for.
        if length > self.frame_bytes_max {
            return Err(Box::new(Error::FrameTooLong {
                address: self.address.clone(),
                length: length.into(),
                complete: true,
                frame_bytes_max: self.frame_bytes_max,
            }));
        }
        let end = HEADER + length as usize;
        Ok((bytes.len() >= end).then_some(end))
    }

    fn decode(&self, frame: Frame<'_>, out: &mut Vec<Bytes>) -> Result<(), BoxError> {
        out.push(frame.share(frame.get(HEADER..).unwrap_or_default()));
        Ok(())
    }
}

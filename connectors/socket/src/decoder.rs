//! How a user's own bytes become records.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use tidemill::{BoxError, Wire};

/// Makes records of the bytes of a socket, in two steps: [`frame`](Self::frame) finds where a frame ends,
/// [`decode`](Self::decode) makes the records of it.
///
/// The two run in different places. Frames are cut as the bytes come in, on a thread that all receivers share, so that
/// step should be quick: a look at a length, a search for a separator. Decoding is part of the batch: it runs in its
/// tasks, on all of their threads, and again where a task is tried again.
///
/// # Promises
/// 1. `frame` and `decode` depend on their arguments alone: a decoder has no state that one frame leaves for the next.
/// 2. The same bytes are cut into the same frames, whatever portions they come in.
///
/// ```
/// use tidemill::BoxError;
/// use tidemill_socket::{Decoder, Frame};
///
/// /// Numbers in decimal, each with a semicolon behind it.
/// struct Numbers;
///
/// impl Decoder for Numbers {
///     type Record = u64;
///
///     fn frame(&self, bytes: &[u8], seen: usize) -> Result<Option<usize>, BoxError> {
///         Ok(bytes[seen..].iter().position(|byte| *byte == b';').map(|at| seen + at + 1))
///     }
///
///     fn decode(&self, frame: Frame<'_>, out: &mut Vec<u64>) -> Result<(), BoxError> {
///         let digits = frame.strip_suffix(b";").unwrap_or(&frame);
///         out.push(std::str::from_utf8(digits)?.parse()?);
///         Ok(())
///     }
/// }
///
/// assert_eq!(Numbers.frame(b"17;4", 0).unwrap(), Some(3));
/// assert_eq!(Numbers.frame(b"4", 0).unwrap(), None);
/// ```
pub trait Decoder: Send + Sync + 'static {
    /// One record.
    type Record: Wire;

    /// How many bytes the first frame of `bytes` has, everything that belongs to it included; `None` as long as its end
    /// has not come in. Never 0, and never more than there are.
    ///
    /// The first `seen` bytes were shown before and had no end, so a search may go on behind them (a separator of
    /// several bytes can begin before `seen`).
    ///
    /// # Errors
    /// Where the bytes are no frames at all. There is no way to find the next one, so the connection is closed and made
    /// anew.
    fn frame(&self, bytes: &[u8], seen: usize) -> Result<Option<usize>, BoxError>;

    /// Appends the records of `frame`: none, one or many.
    ///
    /// # Errors
    /// A frame that is no good. It is left out, with what it had appended, and counted and reported with its batch; the
    /// frames beside it stay.
    fn decode(&self, frame: Frame<'_>, out: &mut Vec<Self::Record>) -> Result<(), BoxError>;

    /// Whether `rest` is a frame, though its end has not come in: asked for what is left when the server has closed the
    /// connection. Where it is not, `rest` is left out, counted and reported. Default: it is not.
    fn ends_with(&self, rest: &[u8]) -> bool {
        let _ = rest;
        false
    }
}

/// The bytes of a frame, in the buffer that they came in.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    bytes: &'a [u8],
    buffer: &'a Bytes,
}

impl<'a> Frame<'a> {
    pub(crate) fn new(bytes: &'a [u8], buffer: &'a Bytes) -> Self {
        Self { bytes, buffer }
    }

    /// `part`, a piece of this frame, as bytes that may be kept: they share the buffer and keep all of it in memory. A
    /// `part` from elsewhere is copied.
    ///
    /// ```
    /// # use {bytes::Bytes, tidemill::BoxError, tidemill_socket::{Decoder, Frame}};
    /// # struct Headed;
    /// # impl Decoder for Headed {
    /// #     type Record = Bytes;
    /// #     fn frame(&self, bytes: &[u8], _seen: usize) -> Result<Option<usize>, BoxError> { Ok(None) }
    /// // The content behind a header of two bytes.
    /// fn decode(&self, frame: Frame<'_>, out: &mut Vec<Bytes>) -> Result<(), BoxError> {
    ///     let content = frame.get(2..).ok_or("a frame without its header")?;
    ///     out.push(frame.share(content));
    ///     Ok(())
    /// }
    /// # }
    /// ```
    pub fn share(&self, part: &[u8]) -> Bytes {
        let (whole, piece) = (self.buffer.as_ptr_range(), part.as_ptr_range());
        if whole.start <= piece.start && piece.end <= whole.end {
            self.buffer.slice_ref(part)
        } else {
            Bytes::copy_from_slice(part)
        }
    }
}

impl Deref for Frame<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.bytes.len())
    }
}

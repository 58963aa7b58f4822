//! Dead letters: the records of a batch that could not be used, on their way to a sink.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::data::{Chunk, Chunks, Wire};
use crate::rdd::{Job, Node, Part, Reader, Reads, RejectedReader};
use crate::runtime::TaskContext;
use crate::words::{BatchTime, Result};

/// A record that could not be used: who left it out, where it stood, what is wrong with it, and its bytes.
///
/// As [`Display`](fmt::Display) shows it, it is one line of fields `name=value`. Texts stand in quotes, with backslashes
/// where they hold quotes, ends of lines or what cannot be printed; so do bytes, `\xff` where they are no ASCII. So a line
/// can be read by people and be taken apart again; for programs that replay letters there is
/// [`ObjectFiles`](crate::ObjectFiles).
///
/// ```
/// use tidemill::{BatchTime, DeadLetter};
///
/// let letter = DeadLetter {
///     origin: "socket localhost:9999".into(),
///     stream_id: Some(0),
///     batch: BatchTime::from_millis(1000),
///     partition: Some(2),
///     at: "byte 4 of its block".into(),
///     error: "a line is not UTF-8".into(),
///     bytes: (&b"caf\xe9"[..]).into(),
/// };
/// assert_eq!(
///     letter.to_string(),
///     r#"batch=1000 origin="socket localhost:9999" stream=0 partition=2 at="byte 4 of its block" error="a line is not UTF-8" bytes="caf\xe9""#
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Who left it out: the input's name, as in `socket localhost:9999`, or the operator with its place in the user's code,
    /// as in `map_or_reject (src/main.rs:12:5)`.
    pub origin: String,
    /// The input stream's number; none for an operator.
    pub stream_id: Option<usize>,
    /// The batch that the record belongs to.
    pub batch: BatchTime,
    /// The partition, from 0; none for what a receiver rejected itself.
    pub partition: Option<u32>,
    /// Where it stands in its source, as far as that is known; for an operator, its number in the partition.
    pub at: String,
    /// What is wrong with it.
    pub error: String,
    /// The record as it came; for an operator, the element in the format of [`Wire`]. Empty where it was too long to be
    /// kept.
    pub bytes: Bytes,
}

impl DeadLetter {
    /// The element that `map_or_reject` could not use.
    ///
    /// # Errors
    /// [`Error::Wire`](crate::Error::Wire) where the bytes are no `T`, as those of an input are not.
    pub fn element<T: Wire>(&self) -> Result<T> {
        T::decode(&mut &*self.bytes)
    }
}

impl fmt::Display for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, stream_id, batch, partition, at, error, bytes } = self;
        write!(f, "batch={} origin={origin:?}", batch.as_millis())?;
        if let Some(stream_id) = stream_id {
            write!(f, " stream={stream_id}")?;
        }
        if let Some(partition) = partition {
            write!(f, " partition={partition}")?;
        }
        write!(f, " at={at:?} error={error:?} bytes=\"{}\"", bytes.escape_ascii())
    }
}

/// A partition with rejected records, and the member that has them.
#[derive(Clone, Debug)]
pub(crate) struct LetterBox {
    pub(crate) reads: Arc<Reads>,
    pub(crate) partition: u32,
    pub(crate) owner: u32,
}

/// The dead letters of a batch; a partition for each of the boxes, by number, those that are empty left out.
pub(crate) struct DeadLetters {
    pub(crate) batch: BatchTime,
    /// In the order of numbers, each once.
    pub(crate) boxes: Vec<(usize, LetterBox)>,
    /// How many numbers there are.
    pub(crate) numbers: usize,
}

impl DeadLetters {
    fn letter_box(&self, number: usize) -> Option<&LetterBox> {
        let index = self.boxes.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(&self.boxes[index].1)
    }
}

impl Node<DeadLetter> for DeadLetters {
    fn partitions(&self) -> usize {
        self.numbers
    }

    fn owner(&self, partition: usize, _members: u32) -> u32 {
        self.letter_box(partition).map_or(0, |letter_box| letter_box.owner)
    }

    fn prepare(&self, _job: &Arc<Job>) -> Result<()> {
        Ok(())
    }

    fn open(&self, partition: usize, _task: &TaskContext) -> Result<Part<DeadLetter>> {
        let letter_box = self.letter_box(partition);
        let letters = letter_box.map(|LetterBox { reads, partition, .. }| {
            let (origin, stream_id, partition_known) = match &reads.reader {
                Reader::Input { stream_id, name } => (name.clone(), Some(*stream_id), true),
                Reader::Receiver { stream_id, name } => (name.clone(), Some(*stream_id), false),
                Reader::Operator(site) => (site.to_string(), None, true),
            };
            Letters {
                rejected: reads.rejected(*partition as usize),
                like: DeadLetter {
                    origin,
                    stream_id,
                    batch: reads.batch.unwrap_or(self.batch),
                    partition: partition_known.then_some(*partition),
                    at: String::new(),
                    error: String::new(),
                    bytes: Bytes::new(),
                },
                out: Vec::new(),
            }
        });
        Ok(Box::new(Opened(letters)))
    }
}

struct Opened(Option<Letters>);

/// The letters of a box.
struct Letters {
    rejected: RejectedReader,
    // What they have in common.
    like: DeadLetter,
    out: Vec<DeadLetter>,
}

impl Chunks<DeadLetter> for Opened {
    fn next(&mut self) -> Result<Option<Chunk<'_, DeadLetter>>> {
        let Some(Letters { rejected, like, out }) = &mut self.0 else { return Ok(None) };
        out.clear();
        let more = rejected.fill(|rejected| {
            let (at, error, bytes) = (rejected.at, rejected.error, rejected.bytes);
            out.push(DeadLetter { at, error, bytes, ..like.clone() });
        })?;
        Ok(more.then_some(Chunk::Own(out)))
    }
}

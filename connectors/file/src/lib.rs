//! tidemill's streams from folders of files: lines of text, records of a fixed length, and formats of your own.
//!
//! A batch reads the files that came into a folder since the batch before:
//!
//! ```no_run
//! use {tidemill::prelude::*, tidemill_file::FileStreams as _};
//!
//! # fn main() -> Result<()> {
//! let ssc = StreamingContext::new("local[2]", "word count", Duration::from_secs(10))?;
//! let lines = ssc.text_file_stream("/in");
//! let words = lines.flat_map(|line| line.split(' '));
//! words.map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b).pprint();
//! ssc.start()?;
//! ssc.await_termination()
//! # }
//! ```
//!
//! | question | answer |
//! |---|---|
//! | Can a record be lost? | Not while its file stays where it is until its batch is done: what is new is told by names and lengths, not by a clock. A file that goes before it is read is reported, and one that is changed after it was read is reported and not read again, unless [`OnChange`] says so. A line that is no text, and the rest of a damaged file, are left out and reported. |
//! | Can a record come twice? | A file that is renamed, or comes back under its name after more than [`remember`](FileStream::remember), is a new file. |
//! | In which order do they come? | As in the file, within a file or a part of it; files of one batch stand oldest first, as partitions. |
//! | Who is slowed down when the job is behind? | Nobody: files wait in their folder. Where the records of a batch are limited, it takes whole files, oldest first and at least one. |
//!
//! # What is read, and when
//! Each batch looks at the folder. A file is known by its path and its length: it is new when it was not there before, however
//! old it is, and it is read once. It must be complete: moved in, closed by who wrote it (as far as the system tells), or
//! unchanged for [`settle`](FileStream::settle). The page *Files* of tidemill's book has all rules, beside Spark's.

// In each library and not in the workspace's lints: tests and examples may unwrap.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod part;
mod read;
mod look;
mod stream;
mod input;
mod streams;

pub use crate::read::{BinaryRecords, FileFormat, FileReader, OnBroken, ReadError, TextLines, records_of};
pub use crate::stream::{FileStream, OnChange};
pub use crate::streams::FileStreams;

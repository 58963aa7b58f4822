//! The way out: [`Sink`] and its transaction, and the sinks that need no outside system.

mod dead_letters;
mod files;
pub(crate) mod frame;
mod object_files;
mod save;
mod text_files;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::data::{Chunk, Data};
use crate::rdd::Pull;
use crate::runtime::TaskContext;
use crate::words::{BatchTime, Epoch, Result};

pub use self::dead_letters::DeadLetter;
pub(crate) use self::dead_letters::{DeadLetters, LetterBox};
pub use self::object_files::ObjectFiles;
pub(crate) use self::object_files::read_object_files;
pub(crate) use self::save::{save, save_some};
pub use self::text_files::TextFiles;

/// Names one partition's output for good: under this a receipt is found again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OutputId {
    /// The job; made with its ledger.
    pub job: String,
    /// The output operation's uid.
    pub sink: String,
    /// The number of the save within the output operation, from 0: `foreach_rdd` may save twice.
    pub ordinal: u32,
    /// The batch.
    pub batch: BatchTime,
    /// The partition, from 0.
    pub partition: u32,
}

/// What a sink wants to be told again at [`Sink::publish`]; kept in commit(t).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The sink's own words: a staging name, a transaction's number.
    pub token: Vec<u8>,
    /// Rows written.
    pub rows: u64,
}

/// Where results go.
///
/// There are two ways to write once, and a sink takes one:
/// * **receipt** (databases, Kafka): [`write`](Self::write) puts rows and `id` into one transaction of the other system,
///   and returns at once where `id` is there; `publish` has nothing to do;
/// * **stage** (files, object stores): `write` writes under a name that no reader sees, [`publish`](Self::publish) shows
///   it.
///
/// # Order
/// All `write`s of a batch, then commit(t) durable, then `publish`. After a crash both may come again with the same ids:
/// a task that is tried again writes again, and a `write` that was dropped unfinished is an abort.
///
/// ```
/// use std::sync::Mutex;
/// use tidemill::{Epoch, OutputId, Receipt, Result, Rows, Sink, TaskContext};
///
/// /// A table that remembers which outputs it holds.
/// #[derive(Default)]
/// struct Table(Mutex<Vec<(OutputId, Vec<String>)>>);
///
/// impl Sink<String> for Table {
///     fn write(&self, id: &OutputId, _: Epoch, mut rows: Rows<String>, _: &TaskContext) -> Result<Receipt> {
///         let mut new = Vec::new();
///         rows.for_each(|row| { new.push(row.clone()); Ok(()) })?;
///         let mut table = self.0.lock().unwrap();
///         if !table.iter().any(|(written, _)| written == id) {
///             table.push((id.clone(), new));
///         }
///         Ok(Receipt { token: Vec::new(), rows: rows.count() })
///     }
/// }
/// ```
pub trait Sink<T: Data>: Send + Sync + 'static {
    /// Writes one partition, on a task thread; async clients go through [`TaskContext::wait`]. A writer with an `epoch`
    /// older than one that was seen must be refused by the other system.
    ///
    /// # Errors
    /// The task is tried again if the error says so.
    fn write(&self, id: &OutputId, epoch: Epoch, rows: Rows<T>, task: &TaskContext) -> Result<Receipt>;

    /// Shows a committed batch: `receipts` by partition. On member 0; repeatable.
    ///
    /// # Errors
    /// The job stops; the next start publishes again.
    fn publish(&self, batch: BatchTime, receipts: &[Receipt]) -> Result<()> {
        let _ = (batch, receipts);
        Ok(())
    }

    /// Asked at start: is the other side there, does the table have the columns?
    ///
    /// # Errors
    /// The job does not start.
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// The rows of one partition, pulled from the operators before.
pub struct Rows<T> {
    up: Pull<T>,
    count: u64,
}

impl<T: Data> Rows<T> {
    pub(crate) fn new(up: Pull<T>) -> Self {
        Self { up, count: 0 }
    }

    /// The next rows, lent until the next call; `None` at the end.
    ///
    /// # Errors
    /// What an operator before failed with: return it, so that the write is not finished.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk<'_, T>>> {
        let chunk = self.up.next()?;
        self.count += chunk.as_ref().map_or(0, |chunk| chunk.as_slice().len() as u64);
        Ok(chunk)
    }

    /// Calls `each` for every row that is left.
    ///
    /// # Errors
    /// As [`next_chunk`](Self::next_chunk), and what `each` fails with.
    pub fn for_each(&mut self, mut each: impl FnMut(&T) -> Result<()>) -> Result<()> {
        while let Some(chunk) = self.next_chunk()? {
            chunk.as_slice().iter().try_for_each(&mut each)?;
        }
        Ok(())
    }

    /// How many rows were given out.
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl<T> fmt::Debug for Rows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("count", &self.count).finish_non_exhaustive()
    }
}

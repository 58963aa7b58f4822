//! Text files: a folder for each batch, a line for each element.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::sync::Arc;

use super::files::{Files, Format, Out};
use super::{OutputId, Receipt, Rows, Sink};
use crate::data::Data;
use crate::runtime::TaskContext;
use crate::storage::Storage;
use crate::words::{BatchTime, Epoch, Result};

/// A folder of text for each batch: what [`save_as_text_files`](crate::DStream::save_as_text_files) writes, for storages
/// of any kind.
///
/// A line is an element as [`Display`] shows it. Each folder is whole once `_SUCCESS` is in it, and is written once: parts
/// are staged below `_staged`, and shown when their batch is committed.
///
/// ```
/// use std::sync::Arc;
/// use tidemill::testing::{input_batches, local, run_batches};
/// use tidemill::{MemoryStorage, Storage, TextFiles};
///
/// # fn main() -> tidemill::Result<()> {
/// let storage = Arc::new(MemoryStorage::new());
/// let ssc = local(1);
/// input_batches(&ssc, 1, vec![vec!["sea", "tide"]]).save_to(TextFiles::new(storage.clone(), "words", "txt"));
/// run_batches(&ssc, 1)?;
/// let part = storage.get("words-1000.txt/part-00000", None)?;
/// assert_eq!(part.as_deref(), Some(&b"sea\ntide\n"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TextFiles(Files);

impl TextFiles {
    /// Folders `name-TIME[.suffix]` in `storage`; `TIME.suffix` where `name` is empty.
    pub fn new(storage: Arc<dyn Storage>, name: &str, suffix: &str) -> Self {
        Self(Files::on(storage, name, suffix, Vec::new()))
    }

    /// Folders whose path starts with `prefix`: a path or a `file://` URL.
    pub(crate) fn at(prefix: &str, suffix: &str) -> Result<Self> {
        Files::at(prefix, suffix, Vec::new()).map(Self)
    }

    /// Whether a batch without records has a folder too. Default: it has none.
    #[must_use]
    pub fn empty_batches(mut self, written: bool) -> Self {
        self.0.set_empty_batches(written);
        self
    }
}

impl<T: Data + Display> Sink<T> for TextFiles {
    fn write(&self, id: &OutputId, epoch: Epoch, rows: Rows<T>, task: &TaskContext) -> Result<Receipt> {
        self.0.write::<T, Lines>(id, epoch, rows, task)
    }

    fn publish(&self, batch: BatchTime, receipts: &[Receipt]) -> Result<()> {
        self.0.publish(batch, receipts)
    }

    fn check(&self) -> Result<()> {
        self.0.check()
    }
}

struct Lines(Out);

impl<T: Display> Format<T> for Lines {
    fn begin(out: Out) -> io::Result<Self> {
        Ok(Self(out))
    }

    fn push(&mut self, record: &T) -> Result<io::Result<()>> {
        Ok(writeln!(self.0, "{record}"))
    }

    fn end(self) -> Result<io::Result<Out>> {
        Ok(Ok(self.0))
    }
}

//! What sinks that write a folder for each batch have in common: names, staging, and how a folder is shown.

use std::fmt;
use std::io::{self, BufWriter};
use std::sync::Arc;

use super::{OutputId, Receipt, Rows};
use crate::data::Data;
use crate::runtime::TaskContext;
use crate::storage::claim::unique_name;
use crate::storage::{PutMode, Staged, Storage, check_storage_path, failed, open_storage};
use crate::words::{BatchTime, Epoch, Error, Result, Retry};

/// Where parts lie until their batch is committed. Readers pass over names that start with `_`, as Spark's do.
const STAGED: &str = "_staged";

/// Says that a folder is whole; it comes last.
pub(super) const SUCCESS: &str = "_SUCCESS";

/// What a part's writer collects before it goes to the storage, in bytes: few calls, and little memory for each task.
const BUFFER: usize = 64 << 10;

/// Objects of a listing at once.
const PAGE: usize = 1000;

/// A part on its way.
pub(super) type Out = BufWriter<Box<dyn Staged>>;

/// How records become the bytes of a part.
pub(super) trait Format<T>: Sized {
    /// Starts a part.
    fn begin(out: Out) -> io::Result<Self>;

    /// Adds a record; the error of the storage is told apart from one of the record.
    fn push(&mut self, record: &T) -> Result<io::Result<()>>;

    /// Ends the part.
    fn end(self) -> Result<io::Result<Out>>;
}

/// A folder for each batch, `name-TIME[.suffix]`, with a part for each partition.
pub(super) struct Files {
    storage: Arc<dyn Storage>,
    // The folder of the folders, for people; empty where the user gave a storage.
    above: String,
    name: String,
    suffix: String,
    empty_batches: bool,
    // What a part without records holds.
    empty_part: Vec<u8>,
}

impl Files {
    /// Folders whose path starts with `prefix`: a path, or a `file://` URL.
    pub(super) fn at(prefix: &str, suffix: &str, empty_part: Vec<u8>) -> Result<Self> {
        let (above, name) = match prefix.rfind('/') {
            Some(slash) => prefix.split_at(slash + 1),
            None => ("", prefix),
        };
        let above = if above.is_empty() { "./" } else { above };
        let storage = open_storage(above)?;
        Ok(Self { above: above.into(), ..Self::on(storage, name, suffix, empty_part) })
    }

    /// Folders in `storage` whose path starts with `name`.
    pub(super) fn on(storage: Arc<dyn Storage>, name: &str, suffix: &str, empty_part: Vec<u8>) -> Self {
        let (above, name, suffix) = (String::new(), name.into(), suffix.into());
        Self { storage, above, name, suffix, empty_batches: false, empty_part }
    }

    pub(super) fn set_empty_batches(&mut self, written: bool) {
        self.empty_batches = written;
    }

    /// The folder of a batch.
    fn folder(&self, batch: BatchTime) -> String {
        let (name, time) = (&self.name, batch.as_millis());
        let dash = if name.is_empty() { "" } else { "-" };
        let (dot, suffix) = (if self.suffix.is_empty() { "" } else { "." }, &self.suffix);
        format!("{name}{dash}{time}{dot}{suffix}")
    }

    /// Writes one partition to where no reader looks. One without rows writes nothing: its token is empty.
    pub(super) fn write<T: Data, F: Format<T>>(
        &self,
        id: &OutputId,
        epoch: Epoch,
        mut rows: Rows<T>,
        task: &TaskContext,
    ) -> Result<Receipt> {
        let path = staged_path(id, epoch, task.attempt());
        let io_failed = |error| failed("write", &path, error);
        let mut part: Option<F> = None;
        while let Some(chunk) = rows.next_chunk()? {
            for row in chunk.as_slice() {
                let part = if let Some(part) = &mut part {
                    part
                } else {
                    let staged = self.storage.stage(&path)?;
                    let begun = F::begin(BufWriter::with_capacity(BUFFER, staged));
                    part.insert(begun.map_err(io_failed)?)
                };
                part.push(row)?.map_err(io_failed)?;
            }
        }
        let Some(part) = part else { return Ok(Receipt { token: Vec::new(), rows: 0 }) };
        let out = part.end()?.map_err(io_failed)?;
        let staged = out.into_inner().map_err(|error| io_failed(error.into_error()))?;
        // The name is this try's own, so nobody else's is replaced.
        let _ = staged.publish(PutMode::Replace)?;
        Ok(Receipt { token: path.into_bytes(), rows: rows.count() })
    }

    /// Shows the parts of a batch under their final names, then `_SUCCESS`. A folder of the same time that is there, from
    /// an earlier run, is overwritten.
    pub(super) fn publish(&self, batch: BatchTime, receipts: &[Receipt]) -> Result<()> {
        let tokens: Vec<&str> = receipts.iter().map(token).collect::<Result<_>>()?;
        let folder = self.folder(batch);
        let success = format!("{folder}/{SUCCESS}");
        let rows: u64 = receipts.iter().map(|receipt| receipt.rows).sum();
        let shown = rows > 0 || self.empty_batches;
        let parts = if shown { &tokens[..] } else { &[] };
        // Shown before, by a run that crashed behind it: readers of a whole folder are not disturbed.
        if !(shown && self.is_shown(&success, parts)?) {
            self.storage.delete(&success)?;
            for (number, token) in parts.iter().enumerate() {
                let part = format!("{folder}/{}", part_name(number));
                match *token {
                    "" => drop(self.storage.put(&part, &self.empty_part, PutMode::Replace)?),
                    staged => self.storage.promote(staged, &part)?,
                }
            }
            self.delete_parts_from(&folder, parts.len())?;
            if shown {
                let _ = self.storage.put(&success, b"", PutMode::Replace)?;
            }
        }
        self.sweep(batch, &tokens)
    }

    fn is_shown(&self, success: &str, parts: &[&str]) -> Result<bool> {
        let is_there = |path: &str| self.storage.get(path, Some(0..0)).map(|object| object.is_some());
        if !is_there(success)? {
            return Ok(false);
        }
        for staged in parts.iter().filter(|staged| !staged.is_empty()) {
            if is_there(staged)? {
                return Ok(false);
            }
        }
        Ok(parts.iter().any(|staged| !staged.is_empty()))
    }

    /// An earlier run may have had more partitions.
    fn delete_parts_from(&self, folder: &str, count: usize) -> Result<()> {
        let first = format!("{folder}/part-");
        for path in self.paths(&first)? {
            let number = path.strip_prefix(&first).and_then(|number| number.parse::<usize>().ok());
            if number.is_some_and(|number| number >= count) {
                self.storage.delete(&path)?;
            }
        }
        Ok(())
    }

    /// Removes what tries that were given up left behind, of this batch and those before it.
    fn sweep(&self, batch: BatchTime, tokens: &[&str]) -> Result<()> {
        let Some(own) = tokens.iter().find_map(|token| Some(token.split_at(token.find('/')? + 1))) else {
            return Ok(());
        };
        // `_staged/OUTPUT/TIME/…`: the name of the output is ours, so no other job's parts are among them.
        let (root, below) = own;
        let output = below.split('/').next().unwrap_or_default();
        let first = format!("{root}{output}/");
        for path in self.paths(&first)? {
            let time = path.strip_prefix(&first).and_then(|path| path.split('/').next());
            if time.and_then(|time| time.parse().ok()).is_some_and(|time: u64| time <= batch.as_millis()) {
                self.storage.delete(&path)?;
            }
        }
        Ok(())
    }

    fn paths(&self, prefix: &str) -> Result<Vec<String>> {
        list_all(&*self.storage, prefix)
    }

    /// Tries what will be done: a folder that cannot be written is found at the start, not with the first batch.
    pub(super) fn check(&self) -> Result<()> {
        check_storage_path(&self.folder(BatchTime::from_millis(0)))?;
        let path = format!("{STAGED}/check-{}", unique_name());
        let tried = self.storage.put(&path, b"", PutMode::Replace).and_then(|_| self.storage.delete(&path));
        tried.map_err(|error| Error::Other {
            what: format!("cannot write folders `{}{}-…`", self.above, self.name),
            retry: Retry::Never,
            source: Some(error.into()),
        })
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files")
            .field("storage", &self.storage)
            .field("name", &self.name)
            .field("suffix", &self.suffix)
            .field("empty_batches", &self.empty_batches)
            .finish_non_exhaustive()
    }
}

/// As Spark names it.
pub(super) fn part_name(number: usize) -> String {
    format!("part-{number:05}")
}

/// All objects below `prefix`.
pub(super) fn list_all(storage: &dyn Storage, prefix: &str) -> Result<Vec<String>> {
    let mut all: Vec<String> = Vec::new();
    loop {
        let page = storage.list(prefix, all.last().map_or("", String::as_str), PAGE)?;
        let full = page.len() == PAGE;
        all.extend(page.into_iter().map(|entry| entry.path));
        if !full {
            return Ok(all);
        }
    }
}

/// `_staged/OUTPUT/TIME/part-PARTITION-EPOCH-TRY`.
fn staged_path(id: &OutputId, epoch: Epoch, attempt: u32) -> String {
    // Names of jobs and outputs may hold anything, so that each byte that is not plain is written as a number.
    let plain = |name: &str| -> String {
        let byte = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => char::from(byte).to_string(),
            other => format!("_{other:02x}"),
        };
        name.bytes().map(byte).collect()
    };
    // The number first: a name must not begin with a dot, and the others may be empty.
    let output = format!("{}.{}.{}", id.ordinal, plain(&id.sink), plain(&id.job));
    let time = id.batch.as_millis();
    format!("{STAGED}/{output}/{time:020}/{}-{}-{attempt}", part_name(id.partition as usize), epoch.0)
}

fn token(receipt: &Receipt) -> Result<&str> {
    std::str::from_utf8(&receipt.token).map_err(|_| Error::Corrupt {
        path: "a receipt of the ledger".into(),
        reason: "it was not written by an output of files; did the plan change?".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryStorage;

    fn folder(prefix: &str, suffix: &str) -> String {
        Files::at(prefix, suffix, Vec::new()).unwrap().folder(BatchTime::from_millis(1_357_008_430_000))
    }

    #[test]
    fn a_folder_is_named_as_spark_names_it() {
        assert_eq!(folder("/out/counts", ""), "counts-1357008430000");
        assert_eq!(folder("/out/counts", "txt"), "counts-1357008430000.txt");
        assert_eq!(folder("file:///out/counts", "txt"), "counts-1357008430000.txt");
        assert_eq!(folder("counts", ""), "counts-1357008430000");
        assert_eq!(folder("", "txt"), "1357008430000.txt");
        assert_eq!(folder("", ""), "1357008430000");
        assert_eq!(part_name(7), "part-00007");
    }

    #[test]
    fn outputs_of_any_name_have_staged_names_of_their_own() {
        let id = |job: &str, sink: &str| OutputId {
            job: job.into(),
            sink: sink.into(),
            ordinal: 0,
            batch: BatchTime::from_millis(1000),
            partition: 3,
        };
        let path = |job, sink| staged_path(&id(job, sink), Epoch(2), 1);

        assert_eq!(path("job-1", "output-0"), "_staged/0.output-0.job-1/00000000000000001000/part-00003-2-1");
        let names = ["a/b", "a.b", "../a", "a b", "a_b", "a_2fb", "ä", ""];
        let mut paths: Vec<String> = names.iter().map(|name| path(name, "x")).collect();
        paths
            .iter()
            .for_each(|path| check_storage_path(path).unwrap_or_else(|error| panic!("{path}: {error}")));
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), names.len());
    }

    #[test]
    fn a_name_that_no_storage_takes_is_refused_at_the_start() {
        let files = Files::on(Arc::new(MemoryStorage::new()), ".hidden", "", Vec::new());

        let error = files.check().unwrap_err().chain();

        assert!(error.contains(".hidden-0"), "{error}");
    }
}

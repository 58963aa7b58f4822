//! The database of one operator: its entries by group and key, and a mark of what is in it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rocksdb::{DB, Options, ReadOptions, Snapshot, WriteBatch};
use serde::{Deserialize, Serialize};
use tidemill::{BatchTime, Changes, Error, KeyGroup, Keys, Result, ScanCursor, Values, Wire as _};

use crate::base::Sent;
use crate::error::{corrupt, failed};
use crate::options::{Memory, without_wal};

/// The key of the mark, behind all groups: an entry's key starts with its group, which is below 128.
const MARK: [u8; 1] = [0xff];

/// The layout of keys and of the mark; files of another one are of no use.
const FORMAT: u32 = 1;

/// Bytes of a chunk of a scan: some hundred entries, so that a call is nothing against them.
const CHUNK_BYTES: usize = 64 * 1024;

/// Keys of one look-up in the database. What it finds is held all at once, and pinned in the cache.
const LOOKUP_KEYS_MAX: usize = 8192;

/// Whose entries these are, and the last batch that is among them. It is written with each batch, in the same write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) format: u32,
    pub(crate) ledger: String,
    pub(crate) uid: String,
    pub(crate) groups: Range<u8>,
    pub(crate) applied: Option<BatchTime>,
}

impl Mark {
    pub(crate) fn new(ledger: &str, uid: &str, groups: Range<u8>, applied: Option<BatchTime>) -> Self {
        Self { format: FORMAT, ledger: ledger.into(), uid: uid.into(), groups, applied }
    }

    /// Adds itself to what is written.
    pub(crate) fn write(&self, into: &mut WriteBatch) -> Result<()> {
        let mut bytes = Vec::new();
        self.encode(&mut bytes)?;
        into.put(MARK, bytes);
        Ok(())
    }
}

/// An open database; closed when the last store and snapshot of it is gone.
pub(crate) struct Database {
    db: DB,
    folder: PathBuf,
    uid: String,
    groups: Range<u8>,
    pub(crate) sent: Sent,
}

impl Database {
    /// Opens the files in `folder`, or begins new ones.
    pub(crate) fn open(
        memory: &Memory,
        folder: &Path,
        uid: &str,
        groups: Range<u8>,
        create: bool,
    ) -> Result<Self> {
        let mut options = memory.for_states();
        options.create_if_missing(create);
        Self::open_with(&options, folder, uid, groups)
    }

    fn open_with(options: &Options, folder: &Path, uid: &str, groups: Range<u8>) -> Result<Self> {
        // By its name, without which there is no handle of it, and many keys are only looked up by a handle.
        let columns = [(rocksdb::DEFAULT_COLUMN_FAMILY_NAME, options.clone())];
        let db = DB::open_cf_with_opts(options, folder, columns)
            .map_err(|source| failed("open the RocksDB database in", folder, source))?;
        Ok(Self { db, folder: folder.into(), uid: uid.into(), groups, sent: Sent::default() })
    }

    pub(crate) fn db(&self) -> &DB {
        &self.db
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn uid(&self) -> &str {
        &self.uid
    }

    pub(crate) fn groups(&self) -> Range<u8> {
        self.groups.clone()
    }

    /// The mark; `None` in a new database.
    pub(crate) fn mark(&self, at: Option<&Snapshot<'_>>) -> Result<Option<Mark>> {
        let found = self
            .db
            .get_opt(MARK, &reading(at))
            .map_err(|source| failed("read the last batch of the state in", &self.folder, source))?;
        found
            .map(|bytes| {
                Mark::decode(&mut bytes.as_slice())
                    .map_err(|error| corrupt(&self.folder, format!("its mark of the last batch: {error}")))
            })
            .transpose()
    }

    pub(crate) fn check(&self, group: KeyGroup) -> Result<()> {
        if self.groups.contains(&group.index()) {
            return Ok(());
        }
        Err(Error::State(format!(
            "state `{}`: key group {} is not among those of this member, {:?}",
            self.uid,
            group.index(),
            self.groups
        )))
    }

    /// See [`StateView::read`](tidemill::StateView::read).
    pub(crate) fn read(&self, at: Option<&Snapshot<'_>>, keys: &Keys, values: &mut Values) -> Result<()> {
        values.clear();
        let mut sought = Vec::with_capacity(keys.len());
        let mut bytes = Vec::new();
        for (group, key) in keys.iter() {
            self.check(group)?;
            let start = bytes.len();
            bytes.push(group.index());
            bytes.extend_from_slice(key);
            sought.push(start..bytes.len());
        }
        let key = |index: &usize| sought.get(*index).and_then(|at| bytes.get(at.clone())).unwrap_or_default();
        let mut order: Vec<usize> = (0..sought.len()).collect();
        // Neighbours lie in one block, which is looked up once for all of them.
        order.sort_unstable_by(|a, b| key(a).cmp(key(b)));

        // Look-ups that see one state, also while a batch is written between them.
        let held = (at.is_none() && order.len() > LOOKUP_KEYS_MAX).then(|| self.db.snapshot());
        let options = reading(at.or(held.as_ref()));
        let mut found = Vec::new();
        found.resize_with(order.len(), || None);
        let column = self.db.cf_handle(rocksdb::DEFAULT_COLUMN_FAMILY_NAME).ok_or_else(|| {
            corrupt(&self.folder, "it has no default column family, which each database has")
        })?;
        for part in order.chunks(LOOKUP_KEYS_MAX) {
            let answers = self.db.batched_multi_get_cf_opt(column, part.iter().map(key), true, &options);
            for (index, answer) in part.iter().zip(answers) {
                let answer = answer.map_err(|source| failed("read states from", &self.folder, source))?;
                if let Some(place) = found.get_mut(*index) {
                    *place = answer;
                }
            }
        }
        found.iter().for_each(|value| values.push(value.as_deref()));
        Ok(())
    }

    /// See [`StateView::scan`](tidemill::StateView::scan).
    pub(crate) fn scan(
        &self,
        at: Option<&Snapshot<'_>>,
        group: KeyGroup,
        cursor: &mut ScanCursor,
        chunk: &mut Changes,
    ) -> Result<bool> {
        chunk.clear();
        self.check(group)?;
        // The mark of a cursor is the last key that was given, behind its group.
        let start = match cursor.mark() {
            [] => vec![group.index()],
            mark if mark.starts_with(&[group.index()]) => [mark, &[0]].concat(),
            _ => {
                return Err(Error::State(format!(
                    "state `{}`: the cursor of a scan is of another group or store",
                    self.uid
                )));
            }
        };
        let mut options = reading(at);
        options.set_iterate_upper_bound([group.index() + 1]);
        // A walk over everything would push out what batches look up.
        options.fill_cache(false);
        let mut entries = self.db.raw_iterator_opt(options);
        entries.seek(start);
        while let Some((key, value)) = entries.item() {
            chunk.put(group, key.get(1..).unwrap_or_default(), value);
            if chunk.as_bytes().len() >= CHUNK_BYTES {
                cursor.set_mark(key);
                return Ok(true);
            }
            entries.next();
        }
        entries.status().map_err(|source| failed("scan states in", &self.folder, source))?;
        if let Some(last) = chunk.iter().last() {
            cursor.set_mark(&[&[group.index()], last.key].concat());
        }
        Ok(!chunk.is_empty())
    }

    /// Writes these changes and the mark, all or nothing. Each group has been checked.
    pub(crate) fn write(&self, changes: &[Changes], mark: &Mark) -> Result<()> {
        let mut batch = batch_of(changes);
        mark.write(&mut batch)?;
        self.write_batch(batch)
    }

    pub(crate) fn write_batch(&self, batch: WriteBatch) -> Result<()> {
        self.db
            .write_opt(batch, &without_wal())
            .map_err(|source| failed("write states to", &self.folder, source))
    }
}

/// The changes as one write.
pub(crate) fn batch_of(changes: &[Changes]) -> WriteBatch {
    let mut batch = WriteBatch::default();
    for change in changes.iter().flat_map(Changes::iter) {
        add(&mut batch, change.group.index(), [(change.key, change.value)].into_iter());
    }
    batch
}

/// Adds changes of a group to a write.
pub(crate) fn add<'a>(
    batch: &mut WriteBatch,
    group: u8,
    changes: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
) {
    let mut full = vec![group];
    for (key, value) in changes {
        full.truncate(1);
        full.extend_from_slice(key);
        match value {
            Some(value) => batch.put(&full, value),
            None => batch.delete(&full),
        }
    }
}

fn reading(at: Option<&Snapshot<'_>>) -> ReadOptions {
    let mut options = ReadOptions::default();
    if let Some(snapshot) = at {
        options.set_snapshot(snapshot);
    }
    options
}

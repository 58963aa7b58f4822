//! What a base is made of, and how it is written: files of a checkpoint, or entries.
//!
//! Its first object is the *index*, in an envelope. A base of all groups of a store is a checkpoint: the index names the
//! files with entries, each an object that never changes and so is written once for many bases, and holds the few other
//! files itself. Batches go on meanwhile, so the files may hold later ones too: the *undo* in the index sets each key that
//! those changed to what it was. A base of some of the groups is their entries, in objects of some megabytes.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rocksdb::Snapshot;
use rocksdb::checkpoint::Checkpoint;
use serde::{Deserialize, Serialize};
use tidemill::{
    BatchTime, Changes, Error, KeyGroup, Keys, Put, PutMode, Result, ScanCursor, StateBase, Storage, Values,
    Wire as _, envelope,
};
use xxhash_rust::xxh3::Xxh3;

use crate::database::Database;
use crate::error::{failed, io_failed};
use crate::store::Since;

/// Kind of the envelope of an index.
pub(crate) const INDEX_KIND: envelope::Kind = *b"RKIX";
/// Kind of the envelopes of entries, as [`Changes`].
pub(crate) const ENTRIES_KIND: envelope::Kind = *b"RKEN";
/// Version of both.
pub(crate) const VERSION: u16 = 1;
/// The last part of the path of an index.
pub(crate) const INDEX: &str = "index";

/// Bytes of an object of entries: few objects, and little memory.
const ENTRIES_BYTES: usize = 8 << 20;
/// Bytes that are copied at once.
const COPY_BYTES: usize = 1 << 20;

/// What an index says, in postcard.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Index {
    /// The files with entries.
    pub(crate) files: Vec<SentFile>,
    /// The other files of the checkpoint: name and content.
    pub(crate) small: Vec<(String, Vec<u8>)>,
    /// Objects of entries, where there is no checkpoint.
    pub(crate) entries: Vec<String>,
    /// [`Changes`] that lead from the files back to the batch of the base.
    pub(crate) undo: Vec<u8>,
}

/// A file of a checkpoint and the object that it is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SentFile {
    /// The file's name in a database.
    pub(crate) name: String,
    /// The object's path.
    pub(crate) object: String,
    pub(crate) content: Content,
}

/// By what a file is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) bytes: u64,
    pub(crate) hash: u128,
}

/// Hashes what passes by.
#[derive(Default)]
pub(crate) struct Hashing {
    bytes: u64,
    hash: Xxh3,
}

impl Hashing {
    pub(crate) fn update(&mut self, part: &[u8]) {
        self.bytes += part.len() as u64;
        self.hash.update(part);
    }

    pub(crate) fn content(&self) -> Content {
        Content { bytes: self.bytes, hash: self.hash.digest128() }
    }
}

/// What is known of a database's files: a file with entries never changes under its name while the database lives.
#[derive(Default)]
pub(crate) struct Sent {
    contents: Mutex<HashMap<String, Content>>,
    checkpoints: AtomicU64,
}

/// The state that a base is written of.
pub(crate) struct View<'a> {
    pub(crate) database: &'a Database,
    pub(crate) at: &'a Snapshot<'a>,
    pub(crate) applied: Option<BatchTime>,
}

impl View<'_> {
    /// Writes a base of all groups, and of its files only those that no earlier base has; `None` where too much was
    /// written after the snapshot.
    pub(crate) fn save_files(
        &self,
        to: &dyn Storage,
        path: &str,
        kept: &[String],
        since: &Since,
    ) -> Result<Option<StateBase>> {
        let checkpoint = self.checkpoint()?;
        // After the checkpoint, so that they name at least what it holds.
        let Some(later) = since.deltas() else { return Ok(None) };

        let kept: HashMap<&str, &String> =
            kept.iter().filter_map(|path| Some((path.rsplit('/').next()?, path))).collect();
        let mut index = Index { undo: self.undo(&later)?, ..Index::default() };
        for (name, file) in checkpoint.files()? {
            if Path::new(&name).extension().is_some_and(|extension| extension == "sst") {
                index.files.push(self.send(&name, &file, to, path, &kept)?);
            } else {
                let content = fs::read(&file).map_err(|source| io_failed("read", &file, source))?;
                index.small.push((name, content));
            }
        }
        self.database.sent.forget_all_but(&index.files);
        let bytes = index.files.iter().map(|file| file.content.bytes).sum();
        let objects = index.files.iter().map(|file| file.object.clone()).collect();
        self.write_index(&index, self.database.groups(), to, path, objects, bytes).map(Some)
    }

    /// Writes a base of some groups, entry by entry.
    pub(crate) fn save_entries(&self, groups: Range<u8>, to: &dyn Storage, path: &str) -> Result<StateBase> {
        let (mut entries, mut chunk) = (Changes::new(), Changes::new());
        let (mut objects, mut bytes) = (Vec::new(), 0);
        let mut send = |entries: &mut Changes| -> Result<()> {
            let sealed = envelope::seal(ENTRIES_KIND, VERSION, entries.as_bytes());
            let object = format!("{path}/entries-{:05}", objects.len());
            let _: Put = to.put(&object, &sealed, PutMode::Replace)?;
            objects.push(object);
            bytes += sealed.len() as u64;
            entries.clear();
            Ok(())
        };
        for group in groups.clone() {
            let group = KeyGroup::from_index(group).ok_or_else(|| {
                Error::State(format!("state `{}`: there is no key group {group}", self.database.uid()))
            })?;
            let mut cursor = ScanCursor::new();
            while self.database.scan(Some(self.at), group, &mut cursor, &mut chunk)? {
                chunk.iter().for_each(|entry| entries.push(entry));
                if entries.as_bytes().len() >= ENTRIES_BYTES {
                    send(&mut entries)?;
                }
            }
        }
        if !entries.is_empty() {
            send(&mut entries)?;
        }
        let index = Index { entries: objects.clone(), ..Index::default() };
        self.write_index(&index, groups, to, path, objects, bytes)
    }

    fn write_index(
        &self,
        index: &Index,
        groups: Range<u8>,
        to: &dyn Storage,
        path: &str,
        mut objects: Vec<String>,
        mut bytes: u64,
    ) -> Result<StateBase> {
        let mut payload = Vec::new();
        index.encode(&mut payload)?;
        let sealed = envelope::seal(INDEX_KIND, VERSION, &payload);
        let object = format!("{path}/{INDEX}");
        let _: Put = to.put(&object, &sealed, PutMode::Replace)?;
        objects.insert(0, object);
        bytes += sealed.len() as u64;
        Ok(StateBase { groups, applied: self.applied, objects, bytes })
    }

    /// For each key that was changed later: what it was.
    fn undo(&self, later: &[std::sync::Arc<Vec<Changes>>]) -> Result<Vec<u8>> {
        let (mut keys, mut values) = (Keys::new(), Values::new());
        for change in later.iter().flat_map(|delta| delta.iter()).flat_map(Changes::iter) {
            keys.push_encoded(change.group, change.key);
        }
        self.database.read(Some(self.at), &keys, &mut values)?;
        let mut undo = Changes::new();
        for ((group, key), value) in keys.iter().zip(values.iter()) {
            match value {
                Some(value) => undo.put(group, key, value),
                None => undo.remove(group, key),
            }
        }
        Ok(undo.into_bytes())
    }

    /// A folder with all files of the database as they are now, linked beside it, what is in memory written down.
    fn checkpoint(&self) -> Result<CheckpointFolder> {
        let folder = self.database.folder();
        let number = self.database.sent.checkpoints.fetch_add(1, Ordering::Relaxed);
        // Beside the database: links do not leave a file system.
        let path = folder.with_extension(format!("checkpoint-{number}"));
        let made = CheckpointFolder { path };
        let failed = |source| failed("write a checkpoint of the RocksDB database in", folder, source);
        Checkpoint::new(self.database.db())
            .and_then(|checkpoint| checkpoint.create_checkpoint(&made.path))
            .map_err(failed)?;
        Ok(made)
    }

    fn send(
        &self,
        name: &str,
        file: &Path,
        to: &dyn Storage,
        path: &str,
        kept: &HashMap<&str, &String>,
    ) -> Result<SentFile> {
        let content = self.database.sent.content(name, file)?;
        // The name says what is in it, so it is the same file, whoever wrote it.
        let last = format!("{:032x}-{}", content.hash, content.bytes);
        let sent = |object: String| SentFile { name: name.into(), object, content };
        if let Some(kept) = kept.get(last.as_str()) {
            return Ok(sent((*kept).clone()));
        }
        let object = format!("{path}/{last}");
        let mut staged = to.stage(&object)?;
        for_each_part(file, |part| {
            staged.write_all(part).map_err(|source| io_failed("write", Path::new(&object), source))
        })?;
        let _: Put = staged.publish(PutMode::Replace)?;
        Ok(sent(object))
    }
}

impl Sent {
    fn content(&self, name: &str, file: &Path) -> Result<Content> {
        if let Some(known) = self.contents.lock().get(name) {
            return Ok(*known);
        }
        let mut hashing = Hashing::default();
        for_each_part(file, |part| {
            hashing.update(part);
            Ok(())
        })?;
        let content = hashing.content();
        self.contents.lock().insert(name.into(), content);
        Ok(content)
    }

    fn forget_all_but(&self, files: &[SentFile]) {
        let mut contents = self.contents.lock();
        *contents = files.iter().map(|file| (file.name.clone(), file.content)).collect();
    }
}

/// Removed when it is dropped; what a crash leaves is removed when the store is opened.
struct CheckpointFolder {
    path: PathBuf,
}

impl CheckpointFolder {
    fn files(&self) -> Result<Vec<(String, PathBuf)>> {
        let listed = || -> std::io::Result<Vec<(String, PathBuf)>> {
            let file = |entry: std::io::Result<fs::DirEntry>| {
                let entry = entry?;
                Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
            };
            fs::read_dir(&self.path)?.map(file).collect()
        };
        let mut files = listed().map_err(|source| io_failed("list", &self.path, source))?;
        files.sort();
        Ok(files)
    }
}

impl Drop for CheckpointFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "a checkpoint's folder stays until the next start");
        }
    }
}

fn for_each_part(file: &Path, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut from = File::open(file).map_err(|source| io_failed("open", file, source))?;
    let mut part = vec![0; COPY_BYTES];
    loop {
        match from.read(&mut part).map_err(|source| io_failed("read", file, source))? {
            0 => return Ok(()),
            count => each(part.get(..count).unwrap_or_default())?,
        }
    }
}

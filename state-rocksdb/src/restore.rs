//! How a database is made of bases.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::Path;

use rocksdb::WriteBatch;
use tidemill::{
    Changes, Error, KeyGroup, Result, ScanCursor, StateBase, StateOpening, Storage, Wire as _, envelope,
};

use crate::base::{ENTRIES_KIND, Hashing, INDEX, INDEX_KIND, Index, SentFile, VERSION};
use crate::database::{Database, Mark, batch_of};
use crate::error::{failed, io_failed};
use crate::options::Memory;

/// Bytes that are fetched at once.
const FETCH_BYTES: u64 = 4 << 20;

/// Fills `folder`, which is not there yet, with a database that has what the bases have of the groups that are opened.
/// It is closed and durable when this returns.
pub(crate) fn from_bases(memory: &Memory, folder: &Path, opening: &StateOpening<'_>) -> Result<()> {
    let wanted = |base: &&StateBase| overlap(&base.groups, &opening.groups).is_some();
    let bases: Vec<&StateBase> = opening.bases.iter().filter(wanted).collect();
    let open =
        |folder: &Path, create| Database::open(memory, folder, opening.uid, opening.groups.clone(), create);
    let database = if let [base] = bases.as_slice() {
        // The same member as before, on an empty disk: the base's files are the database.
        let index = index_of(base, opening)?;
        fetch(&index, folder, opening.storage)?;
        let database = open(folder, true)?;
        finish(&database, &index, opening.storage)?;
        remove_others(&database, &opening.groups)?;
        database
    } else {
        let database = open(folder, true)?;
        for base in bases {
            let index = index_of(base, opening)?;
            let beside = folder.with_extension("base");
            fetch(&index, &beside, opening.storage)?;
            let part = Database::open(memory, &beside, opening.uid, base.groups.clone(), true)?;
            finish(&part, &index, opening.storage)?;
            copy(&part, &database, overlap(&base.groups, &opening.groups).unwrap_or_default())?;
            drop(part);
            remove(&beside)?;
        }
        database
    };
    let applied = opening.bases_applied();
    database.write(&[], &Mark::new(opening.ledger, opening.uid, opening.groups.clone(), applied))?;
    database.db().flush().map_err(|source| failed("write the states to", folder, source))
}

/// The groups that are in both.
fn overlap(one: &Range<u8>, other: &Range<u8>) -> Option<Range<u8>> {
    let both = one.start.max(other.start)..one.end.min(other.end);
    (!both.is_empty()).then_some(both)
}

/// Removes a folder with all that is in it, if it is there.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_failed("remove", folder, error)),
        _ => Ok(()),
    }
}

fn index_of(base: &StateBase, opening: &StateOpening<'_>) -> Result<Index> {
    let is_index = |path: &&String| path.rsplit('/').next() == Some(INDEX);
    let Some(path) = base.objects.iter().find(is_index) else {
        return Err(Error::Corrupt {
            path: base.objects.first().cloned().unwrap_or_default(),
            reason: format!(
                "it is of no base of RocksDB, which has an `{INDEX}`, and the state `{}` stands on it; was the base \
                 written by another kind of state store?",
                opening.uid
            ),
        });
    };
    let payload = sealed(INDEX_KIND, path, opening.storage)?;
    Index::decode(&mut payload.as_slice())
        .map_err(|error| Error::Corrupt { path: path.clone(), reason: error.to_string() })
}

/// The payload of an object in an envelope.
fn sealed(kind: envelope::Kind, path: &str, storage: &dyn Storage) -> Result<Vec<u8>> {
    let Some(mut bytes) = storage.get(path, None)? else { return Err(missing(path)) };
    let (version, _) = envelope::open(kind, path, &bytes)?;
    if version != VERSION {
        let reason = format!("it is a base of version {version}, and this build reads version {VERSION}");
        return Err(Error::Corrupt { path: path.into(), reason });
    }
    bytes.drain(..envelope::HEADER_BYTES);
    Ok(bytes)
}

fn missing(path: &str) -> Error {
    Error::Corrupt { path: path.into(), reason: "it is missing, and a base of a state stands on it".into() }
}

/// Writes the files of a checkpoint to `folder`.
fn fetch(index: &Index, folder: &Path, storage: &dyn Storage) -> Result<()> {
    let failed = |source| io_failed("write to", folder, source);
    fs::create_dir_all(folder).map_err(failed)?;
    for (name, content) in &index.small {
        let mut file = File::create(inside(folder, name)?).map_err(failed)?;
        file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
    }
    for file in &index.files {
        fetch_file(file, folder, storage)?;
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn fetch_file(file: &SentFile, folder: &Path, storage: &dyn Storage) -> Result<()> {
    let path = inside(folder, &file.name)?;
    let failed = |source| io_failed("write", &path, source);
    let mut to = File::create(&path).map_err(failed)?;
    let (mut hashing, mut at) = (Hashing::default(), 0);
    // One byte more than there should be, so that a longer object is noticed.
    while at <= file.content.bytes {
        let end = (at + FETCH_BYTES).min(file.content.bytes + 1);
        let Some(part) = storage.get(&file.object, Some(at..end))? else { return Err(missing(&file.object)) };
        if part.is_empty() {
            break;
        }
        hashing.update(&part);
        to.write_all(&part).map_err(failed)?;
        at += part.len() as u64;
    }
    if hashing.content() != file.content {
        let reason = format!(
            "its {} bytes are not the {} that were written: bytes were damaged or lost",
            hashing.content().bytes,
            file.content.bytes
        );
        return Err(Error::Corrupt { path: file.object.clone(), reason });
    }
    to.sync_all().map_err(failed)
}

/// A file of a base lies in the folder, whatever the base says.
fn inside(folder: &Path, name: &str) -> Result<std::path::PathBuf> {
    if Path::new(name).file_name().is_some_and(|file_name| file_name == name) {
        return Ok(folder.join(name));
    }
    Err(Error::Corrupt { path: name.into(), reason: "a base names it as a file, which it cannot be".into() })
}

/// Takes in what is not in the files, and takes back what is later than the base.
fn finish(database: &Database, index: &Index, storage: &dyn Storage) -> Result<()> {
    for path in &index.entries {
        let entries = Changes::from_bytes(sealed(ENTRIES_KIND, path, storage)?, path)?;
        database.write_batch(batch_of(&[entries]))?;
    }
    let undo = Changes::from_bytes(index.undo.clone(), INDEX)?;
    database.write_batch(batch_of(&[undo]))
}

/// Removes the entries of all groups but these.
fn remove_others(database: &Database, groups: &Range<u8>) -> Result<()> {
    let mut batch = WriteBatch::default();
    batch.delete_range([0], [groups.start]);
    batch.delete_range([groups.end], [128]);
    database.write_batch(batch)
}

fn copy(from: &Database, to: &Database, groups: Range<u8>) -> Result<()> {
    let mut chunk = Changes::new();
    for group in groups.filter_map(KeyGroup::from_index) {
        let mut cursor = ScanCursor::new();
        while from.scan(None, group, &mut cursor, &mut chunk)? {
            to.write_batch(batch_of(std::slice::from_ref(&chunk)))?;
        }
    }
    Ok(())
}

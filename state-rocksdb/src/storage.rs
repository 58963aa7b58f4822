//! Objects under paths in a database of RocksDB: a checkpoint without a folder of small files.
//!
//! An object has a head, found by its path, and pieces of its content, found by its path and a number. All of them are
//! written at once. No path holds a control character, so a zero ends it:
//!
//! | key | value |
//! |---|---|
//! | `h`, path | length and version of the content, in postcard |
//! | `p`, path, 0, number of the piece as u32 big-endian | the piece |

use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, MutexGuard};
use rocksdb::{DB, Direction, IteratorMode, Snapshot, WriteBatch};
use serde::{Deserialize, Serialize};
use tidemill::{
    BufferedStage, Epoch, Log, Put, PutMode, Result, SegmentLog, Staged, Storage, StorageEntry, Wire as _,
    check_storage_path,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{corrupt, failed, io_failed};
use crate::options::{Memory, synced};

/// Bytes of a piece: what a read of a part fetches at least.
const PIECE_BYTES: usize = 1 << 20;

/// What a storage holds in memory: paths and the last objects. Most of what is put is read again only after a restart.
const MEMORY_BYTES: usize = 32 << 20;

/// Puts on different paths sync together, and need different locks for it.
const LOCKS: u64 = 64;

/// A [`Storage`] in a folder of this machine, kept by RocksDB: for the ledger of a job on a single machine, where each
/// object as a file of its own would cost a file system more than the bytes.
///
/// It has a database of its own, apart from the states of [`RocksDbState`](crate::RocksDbState): here each put is synced,
/// there nothing is. **One process** has it open at a time; another one gets an error. So it is for jobs of one process, and
/// the takeover of a job that still runs elsewhere needs a storage that several may open.
///
/// Clones, and what is opened on the same folder in this process, share the database. It is closed when the last of them,
/// and of the logs and stages they gave, is gone.
///
/// # Examples
///
/// ```
/// use tidemill::{Put, PutMode, Storage as _};
/// use tidemill_state_rocksdb::RocksDbStorage;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path();
/// let storage = RocksDbStorage::open(folder)?;
/// assert_eq!(storage.put("ledger/1", b"mine", PutMode::IfAbsent)?, Put::Done);
/// drop(storage);
///
/// let storage = RocksDbStorage::open(folder)?;
/// assert_eq!(storage.put("ledger/1", b"yours", PutMode::IfAbsent)?, Put::Exists);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Clone)]
pub struct RocksDbStorage {
    shared: Arc<Shared>,
}

/// What is open in this process: a job that is started again in it may find that the run before still has its storage.
static OPEN: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

struct Shared {
    db: DB,
    folder: PathBuf,
    /// Held from the look for an object to its write; by path, so that only puts on one path wait for each other.
    locks: Vec<Mutex<()>>,
}

/// What is known of an object without its content.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Head {
    bytes: u64,
    /// A hash of the content.
    version: u64,
}

impl RocksDbStorage {
    /// Opens the storage in `folder`, or begins a new one there.
    ///
    /// # Errors
    /// [`Error::Storage`](tidemill::Error::Storage) where the folder cannot be used, or another process uses it;
    /// [`Error::Corrupt`](tidemill::Error::Corrupt) where its files are damaged.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        // Its full name, by which the same folder is known again.
        let folder = fs::create_dir_all(folder)
            .and_then(|()| folder.canonicalize())
            .map_err(|source| io_failed("use the folder", folder, source))?;
        let mut open = OPEN.lock();
        open.retain(|shared| shared.strong_count() > 0);
        if let Some(shared) = open.iter().filter_map(Weak::upgrade).find(|shared| shared.folder == folder) {
            return Ok(Self { shared });
        }
        let mut options = Memory::of_rocksdb(MEMORY_BYTES).for_objects();
        options.create_if_missing(true);
        let db = DB::open(&options, &folder)
            .map_err(|source| failed("open the RocksDB storage in", &folder, source))?;
        let locks = (0..LOCKS).map(|_| Mutex::default()).collect();
        let shared = Arc::new(Shared { db, folder, locks });
        open.push(Arc::downgrade(&shared));
        Ok(Self { shared })
    }
}

impl Shared {
    fn lock(&self, path: &str) -> Option<MutexGuard<'_, ()>> {
        // There always is one.
        self.locks.get((xxh3_64(path.as_bytes()) % LOCKS) as usize).map(Mutex::lock)
    }

    fn failed(&self, action: &'static str, source: rocksdb::Error) -> tidemill::Error {
        failed(action, &self.folder, source)
    }

    fn head(&self, at: &Snapshot<'_>, path: &str) -> Result<Option<Head>> {
        let found = at.get_pinned(head_key(path)).map_err(|source| self.failed("read from", source))?;
        found.map(|bytes| self.parse(path, &bytes)).transpose()
    }

    fn parse(&self, path: &str, bytes: &[u8]) -> Result<Head> {
        let mut bytes = bytes;
        Head::decode(&mut bytes)
            .map_err(|error| corrupt(&self.folder, format!("the head of the object `{path}`: {error}")))
    }
}

/// Removes the pieces of an object from the number on.
fn remove_pieces(batch: &mut WriteBatch, path: &str, head: &Head, from: u32) {
    (from..pieces(head.bytes)).for_each(|number| batch.delete(piece_key(path, number)));
}

fn head_key(path: &str) -> Vec<u8> {
    [b"h", path.as_bytes()].concat()
}

fn piece_key(path: &str, number: u32) -> Vec<u8> {
    [b"p", path.as_bytes(), &[0], &number.to_be_bytes()].concat()
}

/// How many pieces a content of this length has.
fn pieces(bytes: u64) -> u32 {
    bytes.div_ceil(PIECE_BYTES as u64) as u32
}

impl fmt::Debug for RocksDbStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RocksDbStorage").field("folder", &self.shared.folder).finish_non_exhaustive()
    }
}

impl Storage for RocksDbStorage {
    fn put(&self, path: &str, bytes: &[u8], mode: PutMode) -> Result<Put> {
        check_storage_path(path)?;
        let shared = &*self.shared;
        let head = Head { bytes: bytes.len() as u64, version: xxh3_64(bytes) };
        let mut batch = WriteBatch::default();
        let mut encoded = Vec::new();
        head.encode(&mut encoded)?;
        batch.put(head_key(path), encoded);
        for (number, piece) in (0..).zip(bytes.chunks(PIECE_BYTES)) {
            batch.put(piece_key(path, number), piece);
        }

        let _lock = shared.lock(path);
        if let Some(before) = shared.head(&shared.db.snapshot(), path)? {
            if mode == PutMode::IfAbsent {
                return Ok(Put::Exists);
            }
            remove_pieces(&mut batch, path, &before, pieces(head.bytes));
        }
        shared.db.write_opt(batch, &synced()).map_err(|source| shared.failed("write to", source))?;
        Ok(Put::Done)
    }

    fn get(&self, path: &str, part: Option<Range<u64>>) -> Result<Option<Vec<u8>>> {
        check_storage_path(path)?;
        let shared = &*self.shared;
        // Head and pieces are of one put.
        let at = shared.db.snapshot();
        let Some(head) = shared.head(&at, path)? else { return Ok(None) };
        let part = part.unwrap_or(0..head.bytes);
        let (start, end) = (part.start.min(head.bytes), part.end.min(head.bytes));
        let mut bytes = Vec::with_capacity(end.saturating_sub(start) as usize);
        let mut at_byte = start;
        while at_byte < end {
            let (number, within) = (at_byte / PIECE_BYTES as u64, (at_byte % PIECE_BYTES as u64) as usize);
            let key = piece_key(path, number as u32);
            let piece = at.get_pinned(key).map_err(|source| shared.failed("read from", source))?;
            let wanted = (PIECE_BYTES - within).min((end - at_byte) as usize);
            let Some(found) = piece.as_deref().and_then(|piece| piece.get(within..within + wanted)) else {
                let reason = format!("piece {number} of the object `{path}` is missing or too short");
                return Err(corrupt(&shared.folder, reason));
            };
            bytes.extend_from_slice(found);
            at_byte += wanted as u64;
        }
        Ok(Some(bytes))
    }

    fn list(&self, prefix: &str, after: &str, max: usize) -> Result<Vec<StorageEntry>> {
        let shared = &*self.shared;
        let from = head_key(prefix.max(after));
        let mut entries = Vec::new();
        for item in shared.db.iterator(IteratorMode::From(&from, Direction::Forward)) {
            let (key, value) = item.map_err(|source| shared.failed("list", source))?;
            let path = key.strip_prefix(b"h").map(str::from_utf8);
            // Behind the heads, or behind the prefix.
            let Some(Ok(path)) = path else { break };
            if !path.starts_with(prefix) || entries.len() == max {
                break;
            }
            if path == after {
                continue;
            }
            let head = shared.parse(path, &value)?;
            let version = Some(format!("{:016x}", head.version));
            entries.push(StorageEntry { path: path.into(), bytes: head.bytes, version });
        }
        Ok(entries)
    }

    fn delete(&self, path: &str) -> Result<()> {
        check_storage_path(path)?;
        let shared = &*self.shared;
        let _lock = shared.lock(path);
        let Some(head) = shared.head(&shared.db.snapshot(), path)? else { return Ok(()) };
        let mut batch = WriteBatch::default();
        batch.delete(head_key(path));
        remove_pieces(&mut batch, path, &head, 0);
        // Not synced: a delete may come undone.
        shared.db.write(batch).map_err(|source| shared.failed("delete in", source))
    }

    fn stage(&self, path: &str) -> Result<Box<dyn Staged>> {
        check_storage_path(path)?;
        Ok(Box::new(BufferedStage::new(Arc::new(self.clone()), path)))
    }

    fn log(&self, path: &str, epoch: Epoch) -> Result<Box<dyn Log>> {
        Ok(Box::new(SegmentLog::open(Arc::new(self.clone()), path, epoch)?))
    }
}

//! The backend: which files a store is opened from.

use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocksdb::{DB, Options};
use tidemill::{Error, Result, StateBackend, StateOpening, StateStore};
use xxhash_rust::xxh3::xxh3_64;

use crate::database::{Database, Mark};
use crate::error::{failed as failed_to, io_failed};
use crate::options::Memory;
use crate::restore;
use crate::store::Store;

/// What the stores of a job hold in memory unless [`RocksDbState::memory`] says otherwise: all of a million small states,
/// or the hot part of many more, and little beside what a job takes anyway.
pub const MEMORY_BYTES: usize = 256 << 20;

/// Less than this, and there would be no room for the blocks of one look-up.
pub const MEMORY_BYTES_MIN: usize = 1 << 20;

/// Keeps states in RocksDB, in a folder of this machine: for more than fits into memory.
///
/// Each operator has a database of its own below the folder, for the key groups of this member, so members may share a
/// folder. The ledger is the truth and the folder a copy of it: what is missing there is made again from bases and deltas,
/// and what does not belong there is replaced.
///
/// # Examples
///
/// ```
/// use tidemill::{BatchTime, Changes, Keys, MemoryStorage, StateBackend, StateOpening, Values};
/// use tidemill_state_rocksdb::RocksDbState;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path();
/// let storage = MemoryStorage::new();
/// let states = RocksDbState::new(folder).memory(64 << 20);
/// let opening = StateOpening::new("job-1", "counts", 0..128, &storage).committed(Some(BatchTime::from_millis(1000)));
///
/// let store = states.open(&opening)?;
/// let (mut keys, mut values) = (Keys::new(), Values::new());
/// let group = keys.push(&"ebb".to_string())?;
/// let mut delta = Changes::new();
/// delta.put(group, keys.get(0).unwrap().1, b"7");
/// store.apply(BatchTime::from_millis(1000), vec![delta])?;
/// drop(store);
///
/// // What was closed in peace is there as it was.
/// let store = states.open(&opening)?;
/// assert_eq!(store.applied()?, Some(BatchTime::from_millis(1000)));
/// store.read(&keys, &mut values)?;
/// assert_eq!(values.get(0), Some(&b"7"[..]));
/// # Ok::<(), tidemill::Error>(())
/// ```
pub struct RocksDbState {
    folder: PathBuf,
    bytes: usize,
    memory: Memory,
}

impl RocksDbState {
    /// States below `folder`, which is made where it is not there. Nothing is opened yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), bytes: MEMORY_BYTES, memory: Memory::new(MEMORY_BYTES) }
    }

    /// How many bytes all stores of this backend hold in memory together: what was read, what was written and is not in a
    /// file yet, indexes and filters. A quarter of it is for what was written.
    ///
    /// Default: [`MEMORY_BYTES`], 256 MiB. At least [`MEMORY_BYTES_MIN`].
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self.memory = Memory::new(bytes.max(MEMORY_BYTES_MIN));
        self
    }
}

impl fmt::Debug for RocksDbState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RocksDbState")
            .field("folder", &self.folder)
            .field("memory", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl StateBackend for RocksDbState {
    fn open(&self, opening: &StateOpening<'_>) -> Result<Arc<dyn StateStore>> {
        if self.bytes < MEMORY_BYTES_MIN {
            return Err(Error::Setting {
                key: "RocksDbState::memory".into(),
                value: self.bytes.to_string(),
                expected: format!("at least {MEMORY_BYTES_MIN} bytes"),
            });
        }
        let place = Place::of(&self.folder, opening);
        place.tidy()?;
        if let Some(store) = self.use_own(&place.database, opening)? {
            return Ok(Arc::new(store));
        }
        restore::remove(&place.database)?;
        restore::from_bases(&self.memory, &place.unfinished, opening)?;
        // Only what is whole gets the name.
        fs::rename(&place.unfinished, &place.database)
            .and_then(|()| fs::File::open(&place.folder)?.sync_all())
            .map_err(|source| io_failed("rename the new database to", &place.database, source))?;
        match self.use_own(&place.database, opening)? {
            Some(store) => Ok(Arc::new(store)),
            None => {
                Err(crate::error::corrupt(&place.database, "it is not the database that was just made there"))
            }
        }
    }
}

impl RocksDbState {
    /// The store on the files that are there, if they are of any use.
    fn use_own(&self, folder: &Path, opening: &StateOpening<'_>) -> Result<Option<Store>> {
        if !folder.exists() {
            return Ok(None);
        }
        let groups = opening.groups.clone();
        let opened = Database::open(&self.memory, folder, opening.uid, groups, false)
            .and_then(|database| Ok((database.mark(None)?, database)));
        let (mark, database) = match opened {
            Ok(opened) => opened,
            Err(error @ Error::Corrupt { .. }) => {
                tracing::warn!(%error, "the files of a state are damaged; it is made again from its bases");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let wanted = Mark::new(opening.ledger, opening.uid, opening.groups.clone(), None);
        let use_of = |mark: &Mark| {
            let applied = mark.applied;
            Mark { applied: None, ..mark.clone() } == wanted
                && applied <= opening.committed.max(opening.bases_applied())
                && applied >= opening.bases_applied()
        };
        match mark {
            Some(mark) if use_of(&mark) => Ok(Some(Store::new(database, mark, self.memory.hot()))),
            other => {
                tracing::info!(
                    uid = opening.uid,
                    folder = %folder.display(),
                    found = ?other,
                    "the files of a state are of no use here; it is made again from its bases"
                );
                Ok(None)
            }
        }
    }
}

/// Where the files of a store are.
struct Place {
    folder: PathBuf,
    /// The database.
    database: PathBuf,
    /// A database that is being made.
    unfinished: PathBuf,
    /// The folder above, of all members and ledgers.
    operator: PathBuf,
    groups: Range<u8>,
}

/// The part of a folder's name that is for people; what makes it the only one is behind it.
const READABLE_CHARS_MAX: usize = 60;

impl Place {
    fn of(folder: &Path, opening: &StateOpening<'_>) -> Self {
        let uid = opening.uid;
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let readable: String = uid.chars().take(READABLE_CHARS_MAX).map(plain).collect();
        let operator = folder.join(format!("{readable}-{:016x}", xxh3_64(uid.as_bytes())));
        let groups = opening.groups.clone();
        let ledger = xxh3_64(opening.ledger.as_bytes());
        let folder = operator.join(format!("groups-{:03}-{:03}-{ledger:016x}", groups.start, groups.end));
        Self { database: folder.join("db"), unfinished: folder.join("db.new"), folder, operator, groups }
    }

    /// Removes databases that have some of these groups and are of another ledger, as the job has begun anew since, or of other
    /// groups too, as there was another number of members: the members of one run have no group in common, so it is none of
    /// theirs. One that is in use stays; so does one that another member is removing.
    fn remove_outdated(&self) -> Result<()> {
        let failed = |source| io_failed("use the folder", &self.operator, source);
        for entry in fs::read_dir(&self.operator).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let groups = path.file_name().and_then(|name| groups_of(name.to_str()?));
            let shares = groups.is_some_and(|of| of.start < self.groups.end && self.groups.start < of.end);
            if path == self.folder || !shares {
                continue;
            }
            // RocksDB's own way looks whether somebody has it open.
            let gone = DB::destroy(&Options::default(), path.join("db"))
                .map_err(|source| failed_to("remove", &path, source));
            if let Err(error) = gone.and_then(|()| restore::remove(&path)) {
                tracing::debug!(path = %path.display(), %error, "the state of another ledger or member stays");
            }
        }
        Ok(())
    }

    /// Makes the folder, and removes all in it but the database: what a crash left of checkpoints and of databases that
    /// were being made. While the database is in use by somebody else, nothing else is touched either.
    fn tidy(&self) -> Result<()> {
        let failed = |source| io_failed("use the folder", &self.folder, source);
        fs::create_dir_all(&self.folder).map_err(failed)?;
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path != self.database {
                restore::remove(&path)?;
            }
        }
        self.remove_outdated()
    }
}

/// The groups in the name of a database's folder.
fn groups_of(name: &str) -> Option<Range<u8>> {
    let mut parts = name.strip_prefix("groups-")?.split('-');
    Some(parts.next()?.parse().ok()?..parts.next()?.parse().ok()?)
}

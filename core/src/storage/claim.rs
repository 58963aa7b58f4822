//! Temporary files whose owner can be seen to be alive: it holds a lock on them.
//!
//! A process id in a name says little where containers share a volume: each may be process 1. A lock ends with the
//! process that holds it, whatever it is called, and needs no clock.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// A name that no other call in this process gets, and hardly another process.
pub(crate) fn unique_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Creates the file at `path` and locks it until the returned handle is closed; `None` where the name is taken, or a
/// sweep of another process took the new file for a leftover: the caller tries another name.
pub(crate) fn claim(path: &Path) -> io::Result<Option<File>> {
    let file = match File::options().read(true).write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(None),
        // A file system without locks: `abandoned` says no there, so nothing is swept that should not be.
        Err(TryLockError::Error(_)) => Ok(Some(file)),
        // A sweep holds the lock while it removes, so what is still here after the lock stays.
        Ok(()) => Ok(fs::exists(path)?.then_some(file)),
    }
}

/// The lock of a file whose owner is dead, to be held while the file is removed; `None` where it may be alive.
pub(crate) fn abandoned(path: &Path) -> Option<File> {
    let file = File::options().read(true).write(true).open(path).ok()?;
    file.try_lock().ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_abandoned_once_its_owner_closed_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claimed");

        let owner = claim(&path).unwrap().unwrap();
        assert!(abandoned(&path).is_none());
        assert!(claim(&path).unwrap().is_none());
        drop(owner);

        assert!(abandoned(&path).is_some());
    }
}

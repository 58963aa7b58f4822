//! What RocksDB and the file system say, as errors that name the folder.

use std::io;
use std::path::Path;

use tidemill::{BoxError, Error, Retry};

/// An error of RocksDB that came of an action on what is in `folder`.
pub(crate) fn failed(action: &'static str, folder: &Path, source: rocksdb::Error) -> Error {
    use rocksdb::ErrorKind as Kind;
    let retry = match source.kind() {
        Kind::Corruption => return corrupt(folder, source.into_string()),
        // A full disk may be cleared, a run that still holds the folder may end.
        Kind::IOError
        | Kind::Incomplete
        | Kind::TimedOut
        | Kind::Aborted
        | Kind::Busy
        | Kind::Expired
        | Kind::TryAgain
        | Kind::MergeInProgress
        | Kind::Unknown => Retry::WithBackoff,
        Kind::NotFound
        | Kind::NotSupported
        | Kind::InvalidArgument
        | Kind::ShutdownInProgress
        | Kind::CompactionTooLarge
        | Kind::ColumnFamilyDropped => Retry::Never,
    };
    storage(action, folder, retry, source.into_string().into())
}

/// Files of RocksDB that are damaged.
pub(crate) fn corrupt(path: &Path, reason: impl Into<String>) -> Error {
    Error::Corrupt { path: path.display().to_string(), reason: reason.into() }
}

/// An error of the file system.
pub(crate) fn io_failed(action: &'static str, path: &Path, source: io::Error) -> Error {
    let retry = match source.kind() {
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::InvalidFilename => Retry::Never,
        _ => Retry::WithBackoff,
    };
    storage(action, path, retry, source.into())
}

/// Any error on a path of this machine.
pub(crate) fn storage(action: &'static str, path: &Path, retry: Retry, source: BoxError) -> Error {
    Error::Storage { action, path: path.display().to_string(), retry, source }
}

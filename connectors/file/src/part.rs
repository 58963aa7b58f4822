//! What is planned: a piece of a file.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A file as it was when it was planned; another length or another time under the same path is another file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileId {
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// Its length in bytes, as it lies there: compressed where it is.
    pub(crate) length: u64,
    /// When it was last modified, since the epoch.
    pub(crate) modified: Duration,
}

/// The bytes of a file that one partition reads. A record belongs to the part in which it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FilePart {
    /// The file.
    pub(crate) file: FileId,
    /// The first byte.
    pub(crate) from: u64,
    /// The byte behind the last.
    pub(crate) to: u64,
}

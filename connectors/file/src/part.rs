//! What is planned: a piece of a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A file as it was when it was planned; another length or another time under the same path is another file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileId {
    /// Where it lies.
    #[serde(with = "any_path")]
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

impl FilePart {
    /// The whole of a file.
    pub(crate) fn is_whole(&self) -> bool {
        self.from == 0 && self.to == self.file.length
    }
}

/// Paths as bytes: serde's own form of a path is text, and a name need not be.
pub(crate) mod any_path {
    use super::{Path, PathBuf};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::ffi::OsString;

    pub(crate) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        path.as_os_str().serialize(to)
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<PathBuf, D::Error> {
        Ok(OsString::deserialize(from)?.into())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use tidemill::Wire as _;

    use super::*;

    #[test]
    fn a_name_that_is_no_text_can_be_written_down() {
        let path = PathBuf::from("/in").join(OsStr::from_bytes(b"\xff\xfe.txt"));
        let file = FileId { path, length: 7, modified: Duration::from_nanos(1_000_000_001) };
        let mut bytes = Vec::new();
        file.encode(&mut bytes).unwrap();
        assert_eq!(FileId::decode(&mut &bytes[..]).unwrap(), file);
    }
}

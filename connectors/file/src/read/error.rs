//! Why a file cannot be read, and whether trying again can help.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tidemill::{BoxError, Retry};

/// Why a planned file could not be read to its end. Job code meets it as the source of a [`tidemill::Error::Connector`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It cannot be opened: it has gone since it was listed, or may not be read.
    #[error("cannot open `{}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// What lies there is not the file that was planned.
    #[error(
        "`{}` was changed behind its plan: planned were {planned} bytes of {planned_time:?} since 1970, found are {found} \
         of {found_time:?}; move files into the folder when they are complete",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// Its length when it was planned, in bytes.
        planned: u64,
        /// When it was modified last before it was planned, since the epoch.
        planned_time: Duration,
        /// Its length now.
        found: u64,
        /// When it was modified last, since the epoch.
        found_time: Duration,
    },

    /// What lies there is no file: a folder, a pipe, a device.
    #[error("`{}` is no file any more", path.display())]
    NoFile {
        /// What was planned as a file.
        path: PathBuf,
    },

    /// The system failed in the middle of the file.
    #[error("cannot read on at {at}")]
    Read {
        /// Path and byte.
        at: String,
        /// What the system said.
        source: io::Error,
    },

    /// Its compressed content is damaged or ends too early.
    #[error("the content is damaged behind {at}")]
    Damaged {
        /// Path and byte of the decompressed content up to which all is well.
        at: String,
        /// What the decoder said.
        source: io::Error,
    },

    /// The format cannot go on.
    #[error("cannot decode the file at {at}")]
    Format {
        /// Path and byte up to which the format has read.
        at: String,
        /// What the format said.
        source: BoxError,
    },
}

impl ReadError {
    /// Whether the reason may be gone when the file is read again.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Open { source, .. } => !matches!(
                source.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory
            ),
            Self::Read { source, .. } => source.kind() != io::ErrorKind::UnexpectedEof,
            Self::Changed { .. } | Self::NoFile { .. } | Self::Damaged { .. } | Self::Format { .. } => false,
        }
    }
}

impl From<ReadError> for tidemill::Error {
    fn from(error: ReadError) -> Self {
        let retry = if error.may_pass() { Retry::WithBackoff } else { Retry::Never };
        Self::Connector { connector: "file", what: "reading".into(), retry, source: Some(error.into()) }
    }
}

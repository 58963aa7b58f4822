//! Compressed files, told by their names.

use std::io::{BufReader, Read};
use std::path::Path;

/// So much of a compressed file is read at once.
const BUFFER: usize = 64 << 10;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    None,
    Gzip,
    Zstd,
    Lz4,
}

impl Codec {
    /// By the ending of the name, in small letters or capitals.
    pub(super) fn of(path: &Path) -> Self {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            Some("lz4") => Self::Lz4,
            _ => Self::None,
        }
    }

    /// The content. Ends where the file ends; a file that ends in the middle of something is an error.
    pub(super) fn decode(self, file: impl Read + 'static) -> Box<dyn Read> {
        let buffered = |file| BufReader::with_capacity(BUFFER, file);
        match self {
            Self::None => Box::new(file),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(buffered(file))),
            Self::Zstd | Self::Lz4 => Box::new(buffered(file)),
        }
    }
}

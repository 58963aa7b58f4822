//! Compressed files, told by their names.

mod lz4;
mod zstd;

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use self::lz4::Lz4Frames;
use self::zstd::ZstdFrames;

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
            Self::Zstd => Box::new(ZstdFrames::new(buffered(file))),
            Self::Lz4 => Box::new(Lz4Frames::new(buffered(file))),
        }
    }
}

/// Passes over bytes that mean nothing to a decoder.
fn skip(source: &mut impl BufRead, bytes: u64) -> io::Result<()> {
    if io::copy(&mut source.take(bytes), &mut io::sink())? < bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// The content is damaged.
fn damaged(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

#[cfg(test)]
mod tests;

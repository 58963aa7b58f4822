//! The envelope around everything that is written down: whose it is, what it is, and whether it is whole.
//!
//! All numbers are little-endian. The format is never changed, only followed by another one.
//!
//! | bytes | what |
//! |--:|---|
//! | 0..4 | the magic `tdml` |
//! | 4..6 | the format of the envelope: 1 |
//! | 6..8 | the version of the payload, which its kind defines |
//! | 8..12 | the kind of the payload, four letters |
//! | 12..20 | the length of the payload in bytes |
//! | 20..24 | CRC-32 (IEEE) of bytes 0..20 and the payload |
//! | 24.. | the payload |

use crate::words::{Error, Result};

/// What a payload is, in four letters: `*b"PLAN"`.
pub type Kind = [u8; 4];

/// Length of the envelope's header in bytes.
pub const HEADER_BYTES: usize = 24;

const MAGIC: [u8; 4] = *b"tdml";
const FORMAT: u16 = 1;

/// Puts `payload` into an envelope.
///
/// # Examples
///
/// ```
/// use tidemill::envelope;
///
/// let sealed = envelope::seal(*b"NOTE", 1, b"high water");
/// assert_eq!(envelope::open(*b"NOTE", "notes/1", &sealed)?, (1, &b"high water"[..]));
///
/// let error = envelope::open(*b"NOTE", "notes/1", &sealed[..30]).unwrap_err();
/// assert!(error.to_string().contains("notes/1"), "{error}");
/// # Ok::<(), tidemill::Error>(())
/// ```
pub fn seal(kind: Kind, version: u16, payload: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(HEADER_BYTES + payload.len());
    sealed.extend_from_slice(&MAGIC);
    sealed.extend_from_slice(&FORMAT.to_le_bytes());
    sealed.extend_from_slice(&version.to_le_bytes());
    sealed.extend_from_slice(&kind);
    sealed.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    let crc = checksum(&sealed, payload);
    sealed.extend_from_slice(&crc.to_le_bytes());
    sealed.extend_from_slice(payload);
    sealed
}

/// Makes room in front of a payload that is then written into `out` itself, which is empty.
pub(crate) fn begin(out: &mut Vec<u8>) {
    out.resize(HEADER_BYTES, 0);
}

/// Writes the header of the payload that stands behind [`begin`]'s room: the same as [`seal`], without a copy. Gives its
/// checksum.
pub(crate) fn end(kind: Kind, version: u16, out: &mut [u8]) -> u32 {
    let Some((header, payload)) = out.split_at_mut_checked(HEADER_BYTES) else { return 0 };
    header[..4].copy_from_slice(&MAGIC);
    header[4..6].copy_from_slice(&FORMAT.to_le_bytes());
    header[6..8].copy_from_slice(&version.to_le_bytes());
    header[8..12].copy_from_slice(&kind);
    header[12..20].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    let crc = checksum(&header[..20], payload);
    header[20..].copy_from_slice(&crc.to_le_bytes());
    crc
}

/// The checksum that an envelope says it has.
pub(crate) fn crc(bytes: &[u8]) -> Option<u32> {
    bytes.get(20..24).map(|crc| number(crc) as u32)
}

/// Takes the payload and its version out of an envelope that holds a `kind`; `path` is for the error.
///
/// # Errors
/// [`Error::Corrupt`] where `bytes` are not exactly one undamaged envelope of that kind.
pub fn open<'a>(kind: Kind, path: &str, bytes: &'a [u8]) -> Result<(u16, &'a [u8])> {
    let corrupt = |reason: String| Err(Error::Corrupt { path: path.into(), reason });

    let Some((header, payload)) = bytes.split_at_checked(HEADER_BYTES) else {
        return corrupt(format!(
            "it has {} bytes, fewer than the {HEADER_BYTES} of an envelope",
            bytes.len()
        ));
    };
    let [magic, format, version, written_kind, length, crc] = fields(header);
    if magic != MAGIC {
        return corrupt("it was not written by tidemill, or its first bytes are damaged".into());
    }
    if number(format) != u64::from(FORMAT) {
        return corrupt(format!(
            "its envelope has format {}, this version reads {FORMAT}; was it written by a newer one?",
            number(format)
        ));
    }
    if number(length) != payload.len() as u64 {
        return corrupt(format!("it should hold {} bytes and holds {}", number(length), payload.len()));
    }
    if number(crc) != u64::from(checksum(header.get(..20).unwrap_or_default(), payload)) {
        return corrupt("its checksum is wrong: bytes were damaged".into());
    }
    if written_kind != kind {
        return corrupt(format!("it holds `{}`, not `{}`", written_kind.escape_ascii(), kind.escape_ascii()));
    }
    Ok((number(version) as u16, payload))
}

/// The fields of a header, in order; missing bytes make empty fields.
fn fields(header: &[u8]) -> [&[u8]; 6] {
    [0..4, 4..6, 6..8, 8..12, 12..20, 20..24].map(|field| header.get(field).unwrap_or_default())
}

/// A little-endian number of at most eight bytes.
pub(super) fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn checksum(header: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// These bytes are on somebody's disk: they are read for ever.
    const FIXTURE: [u8; 28] = [
        b't', b'd', b'm', b'l', 1, 0, 7, 0, b'T', b'E', b'S', b'T', 4, 0, 0, 0, 0, 0, 0, 0, //
        111, 154, 252, 225, b't', b'i', b'd', b'e',
    ];

    #[test]
    fn the_bytes_of_format_1_never_change() {
        assert_eq!(seal(*b"TEST", 7, b"tide"), FIXTURE);
        assert_eq!(open(*b"TEST", "fixture", &FIXTURE).unwrap(), (7, &b"tide"[..]));
    }

    #[test]
    fn an_error_names_the_path_and_what_is_wrong() {
        let reason = |bytes: &[u8]| match open(*b"TEST", "ledger/7", bytes).unwrap_err() {
            Error::Corrupt { path, reason } if path == "ledger/7" => reason,
            other => panic!("{other:?}"),
        };
        let damaged = |at: usize| {
            let mut bytes = FIXTURE;
            bytes[at] ^= 1;
            reason(&bytes)
        };

        assert!(reason(b"").contains("fewer than"), "{}", reason(b""));
        assert!(reason(&FIXTURE[..26]).contains("should hold 4 bytes and holds 2"));
        assert!(reason(b"a text of somebody else").contains("fewer"));
        assert!(damaged(0).contains("not written by tidemill"));
        assert!(damaged(4).contains("format 0"));
        assert!(damaged(27).contains("checksum"));
        assert!(reason(&seal(*b"PLAN", 7, b"tide")).contains("`PLAN`, not `TEST`"));
    }

    proptest! {
        #[test]
        fn what_was_sealed_comes_back(kind: [u8; 4], version: u16, payload: Vec<u8>) {
            let sealed = seal(kind, version, &payload);

            prop_assert_eq!(open(kind, "x", &sealed).unwrap(), (version, &payload[..]));
        }

        #[test]
        fn a_payload_that_is_written_in_place_is_the_same(kind: [u8; 4], version: u16, payload: Vec<u8>) {
            let mut sealed = Vec::new();
            begin(&mut sealed);
            sealed.extend_from_slice(&payload);
            let written = end(kind, version, &mut sealed);

            prop_assert_eq!(&sealed, &seal(kind, version, &payload));
            prop_assert_eq!(crc(&sealed), Some(written));
        }

        #[test]
        fn one_changed_byte_is_noticed(payload: Vec<u8>, at: prop::sample::Index, change in 1u8..) {
            let mut sealed = seal(*b"TEST", 1, &payload);
            let at = at.index(sealed.len());
            sealed[at] ^= change;

            let opened = open(*b"TEST", "x", &sealed);
            prop_assert!(matches!(opened, Err(Error::Corrupt { .. })), "{:?}", opened);
        }

        #[test]
        fn a_cut_or_a_tail_is_noticed(payload: Vec<u8>, cut: prop::sample::Index, tail in prop::collection::vec(any::<u8>(), 1..9)) {
            let sealed = seal(*b"TEST", 1, &payload);
            let longer = [&sealed[..], &tail[..]].concat();

            prop_assert!(open(*b"TEST", "x", &sealed[..cut.index(sealed.len())]).is_err());
            prop_assert!(open(*b"TEST", "x", &longer).is_err());
        }
    }
}

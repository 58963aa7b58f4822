//! Many records in one file, each checked when it is read.
//!
//! A header of 16 bytes (magic `tdmf`, format u16 = 1, version u16, kind of four letters, CRC-32 of those 12), then the
//! records: length u32, CRC-32 u32, bytes. Each checksum goes on from the one before, so a record that is left out or
//! moved is noticed too. A cut between two records leaves a shorter, sound sequence: who needs to know the number of
//! records keeps it elsewhere. All numbers are little-endian.

use std::io::{self, Read, Write};

use super::envelope::{Kind, number};
use super::failed;
use crate::words::{Error, Result};

const MAGIC: [u8; 4] = *b"tdmf";
const FORMAT: u16 = 1;
/// What the header of a sequence takes.
pub(crate) const HEADER_BYTES: usize = 16;
/// What a record costs besides its bytes.
pub(crate) const FRAME_BYTES: usize = 8;

/// Writes records, one after the other.
#[derive(Debug)]
pub(crate) struct FrameWriter<W> {
    out: W,
    crc: u32,
}

impl<W: Write> FrameWriter<W> {
    /// Starts a sequence of records of `kind` in `version`.
    pub(crate) fn new(mut out: W, kind: Kind, version: u16) -> io::Result<Self> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&FORMAT.to_le_bytes());
        header.extend_from_slice(&version.to_le_bytes());
        header.extend_from_slice(&kind);
        let crc = crc32fast::hash(&header);
        header.extend_from_slice(&crc.to_le_bytes());
        out.write_all(&header)?;
        Ok(Self { out, crc })
    }

    /// Adds a record of less than 4 GiB.
    pub(crate) fn push(&mut self, record: &[u8]) -> io::Result<()> {
        let length = u32::try_from(record.len())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a record is larger than 4 GiB"))?
            .to_le_bytes();
        self.crc = chained(self.crc, &length, record);
        self.out.write_all(&length)?;
        self.out.write_all(&self.crc.to_le_bytes())?;
        self.out.write_all(record)
    }

    /// Ends the sequence.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Reads records back in order; it owns one buffer and lends each record until the next.
#[derive(Debug)]
pub(crate) struct FrameReader<R> {
    input: R,
    path: String,
    version: u16,
    crc: u32,
    good: u64,
    records: u64,
    ended: bool,
    record: Vec<u8>,
}

impl<R: Read> FrameReader<R> {
    /// Reads the header; `path` is for errors.
    pub(crate) fn open(mut input: R, kind: Kind, path: &str) -> Result<Self> {
        let corrupt = |reason: &str| Err(Error::Corrupt { path: path.into(), reason: reason.into() });
        let mut header = Vec::with_capacity(HEADER_BYTES);
        fill(&mut input, HEADER_BYTES as u64, &mut header, path)?;

        let Some((fields, crc)) = header.split_at_checked(12) else {
            return corrupt("it ends within its header");
        };
        if !fields.starts_with(&MAGIC) || number(crc) != u64::from(crc32fast::hash(fields)) {
            return corrupt("it was not written by tidemill, or its header is damaged");
        }
        if fields.get(4..6) != Some(&FORMAT.to_le_bytes()) {
            return corrupt("its format is unknown; was it written by a newer version?");
        }
        if fields.get(8..12) != Some(&kind) {
            return corrupt("it holds another kind of records");
        }
        Ok(Self {
            version: number(fields.get(6..8).unwrap_or_default()) as u16,
            crc: number(crc) as u32,
            good: HEADER_BYTES as u64,
            records: 0,
            ended: false,
            record: Vec::new(),
            path: path.into(),
            input,
        })
    }

    /// The version of the records.
    pub(crate) fn version(&self) -> u16 {
        self.version
    }

    /// How many bytes from the start are sound, up to the end of the last record that was lent.
    #[allow(dead_code, reason = "for whoever repairs a file; spill files are thrown away")]
    pub(crate) fn good_bytes(&self) -> u64 {
        self.good
    }

    /// How many records were lent.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// The next record, `None` at the end and after an error.
    ///
    /// # Errors
    /// [`Error::Corrupt`] at a record that is torn or damaged; the bytes before it are good.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>> {
        if self.ended {
            return Ok(None);
        }
        self.ended = true; // Until this record has proved sound.

        let mut header = Vec::with_capacity(FRAME_BYTES);
        fill(&mut self.input, FRAME_BYTES as u64, &mut header, &self.path)?;
        if header.is_empty() {
            return Ok(None);
        }
        let Some((length, crc)) = header.split_at_checked(4) else {
            return Err(self.torn("its head is cut off"));
        };
        if crc.len() < 4 {
            return Err(self.torn("its head is cut off"));
        }
        self.record.clear();
        fill(&mut self.input, number(length), &mut self.record, &self.path)?;
        if (self.record.len() as u64) < number(length) {
            return Err(self.torn("its end is cut off, or its length is damaged"));
        }
        let expected = chained(self.crc, length, &self.record);
        if number(crc) != u64::from(expected) {
            return Err(self.torn("its checksum is wrong"));
        }

        self.crc = expected;
        self.good += (FRAME_BYTES + self.record.len()) as u64;
        self.records += 1;
        self.ended = false;
        Ok(Some(&self.record))
    }

    fn torn(&self, what: &str) -> Error {
        let (record, good) = (self.records, self.good);
        Error::Corrupt {
            path: self.path.clone(),
            reason: format!("record {record} is torn: {what}; the {good} bytes before it are good"),
        }
    }
}

/// Reads up to `bytes`; fewer only at the end of the input. Grows with what is there, so that a damaged length cannot
/// ask for gigabytes.
fn fill(input: &mut impl Read, bytes: u64, into: &mut Vec<u8>, path: &str) -> Result<()> {
    input.by_ref().take(bytes).read_to_end(into).map(drop).map_err(|error| failed("read", path, error))
}

fn chained(before: u32, length: &[u8], record: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(length);
    hasher.update(record);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(records: &[Vec<u8>]) -> Vec<u8> {
        let mut frames = FrameWriter::new(Vec::new(), *b"TEST", 3).unwrap();
        for record in records {
            frames.push(record).unwrap();
        }
        frames.finish().unwrap()
    }

    /// What can be read, how many bytes were good, and whether it ended with an error.
    fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, u64, bool) {
        let Ok(mut frames) = FrameReader::open(bytes, *b"TEST", "log/1") else { return (vec![], 0, true) };
        assert_eq!(frames.version(), 3);
        let mut records = Vec::new();
        loop {
            match frames.next().map(|record| record.map(<[u8]>::to_vec)) {
                Ok(Some(record)) => records.push(record),
                Ok(None) => return (records, frames.good_bytes(), false),
                Err(error) => {
                    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
                    assert!(frames.next().unwrap().is_none(), "goes on behind an error");
                    return (records, frames.good_bytes(), true);
                }
            }
        }
    }

    #[test]
    fn a_torn_tail_is_an_error_that_says_how_much_is_good() {
        let whole = written(&[b"spring".to_vec(), b"neap".to_vec()]);
        let mut frames = FrameReader::open(&whole[..whole.len() - 1], *b"TEST", "log/1").unwrap();

        assert_eq!(frames.next().unwrap(), Some(&b"spring"[..]));
        let error = frames.next().unwrap_err().to_string();

        assert!(
            error.contains("`log/1`") && error.contains("record 1") && error.contains("30 bytes"),
            "{error}"
        );
        assert_eq!(frames.good_bytes(), 30);
    }

    #[test]
    fn a_tail_of_zeros_is_no_record() {
        let mut bytes = written(&[b"spring".to_vec()]);
        bytes.extend_from_slice(&[0; 16]);

        assert_eq!(read(&bytes), (vec![b"spring".to_vec()], 30, true));
    }

    #[test]
    fn a_record_that_was_left_out_is_noticed() {
        let (one, two, three) = (b"one".to_vec(), b"two".to_vec(), b"six".to_vec());
        let mut bytes = written(&[one.clone(), two, three]);
        bytes.drain(16 + 11..16 + 22);

        assert_eq!(read(&bytes), (vec![one], 27, true));
    }

    proptest! {
        #[test]
        fn a_cut_leaves_the_records_before_it(records: Vec<Vec<u8>>, cut: prop::sample::Index) {
            let whole = written(&records);
            let cut = cut.index(whole.len());
            let (found, good, error) = read(&whole[..cut]);

            prop_assert_eq!(&found[..], &records[..found.len()]);
            prop_assert!(good as usize <= cut);
            // Without an error the cut was between two records.
            prop_assert_eq!(error, good as usize != cut || cut < HEADER_BYTES);
        }

        #[test]
        fn one_changed_byte_is_noticed(records: Vec<Vec<u8>>, at: prop::sample::Index, change in 1u8..) {
            let mut bytes = written(&records);
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            let (found, good, error) = read(&bytes);

            prop_assert!(error);
            prop_assert!(good as usize <= at);
            prop_assert_eq!(&found[..], &records[..found.len()]);
        }
    }
}

//! Records of one fixed length.

use std::io::{self, Read as _};

use bytes::{Bytes, BytesMut};
use tidemill::{Chunk, Chunks};

use super::format::{FileFormat, PORTION};
use super::reader::FileReader;

/// About so much is read at once, in whole records.
const BLOCK: usize = 256 << 10;

/// A format: each `n` bytes are a record.
///
/// What is left at the end of a file and shorter than a record is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinaryRecords {
    record_bytes: u32,
    // Tests read in small blocks.
    block_bytes: usize,
}

impl BinaryRecords {
    /// Records of so many bytes each. A job with a length of 0 does not start.
    pub fn new(record_bytes: u32) -> Self {
        Self { record_bytes, block_bytes: BLOCK }
    }
}

impl FileFormat for BinaryRecords {
    type Record = Bytes;

    fn read(&self, mut part: FileReader) -> tidemill::Result<Box<dyn Chunks<Bytes>>> {
        self.check()?;
        // The first record that begins in the part.
        let length = u64::from(self.record_bytes);
        let behind = part.from() % length;
        let mut failed = None;
        if behind > 0 {
            let skipped = io::copy(&mut part.by_ref().take(length - behind), &mut io::sink());
            failed = skipped.err().map(|error| tidemill::Error::from_user(error.into()));
        }
        let (record_bytes, block_bytes) = (self.record_bytes as usize, self.block_bytes);
        Ok(Box::new(Records {
            part,
            record_bytes,
            block_bytes,
            block: Bytes::new(),
            over: failed.is_some(),
            failed,
            out: Vec::new(),
        }))
    }

    fn splits(&self) -> bool {
        true
    }

    fn check(&self) -> tidemill::Result<()> {
        if self.record_bytes > 0 {
            return Ok(());
        }
        Err(tidemill::Error::Setting {
            key: "record_bytes".into(),
            value: "0".into(),
            expected: "the length of a record in bytes, at least 1".into(),
        })
    }
}

struct Records {
    part: FileReader,
    record_bytes: usize,
    block_bytes: usize,
    // Whole records that were not given yet.
    block: Bytes,
    over: bool,
    failed: Option<tidemill::Error>,
    out: Vec<Bytes>,
}

impl Records {
    /// Reads the next whole records; none at the end of the part.
    fn fetch(&mut self) {
        let at = self.part.position();
        let in_part = self.part.to().map_or(u64::MAX, |to| to.saturating_sub(at));
        if self.over || in_part == 0 {
            self.over = true;
            return;
        }
        let length = self.record_bytes as u64;
        let records = in_part.div_ceil(length).min((self.block_bytes as u64 / length).max(1));
        let mut block = BytesMut::new();
        // In pieces: a long record is believed only as far as the file goes.
        while (block.len() as u64) < records * length && !self.over {
            let known = block.len();
            block.resize(known + (records * length - known as u64).min(self.block_bytes as u64) as usize, 0);
            let (fresh, end) = self.part.fill(&mut block[known..]);
            self.over = known + fresh < block.len();
            block.truncate(known + fresh);
            self.failed = end.err().map(|error| tidemill::Error::from_user(error.into()));
        }
        let rest = block.split_off(block.len() - block.len() % self.record_bytes);
        if !rest.is_empty() && self.failed.is_none() {
            let error = format!("the file ends {} bytes into a record of {length}", rest.len());
            self.part.reject(at + block.len() as u64, error, rest);
        }
        self.block = block.freeze();
    }
}

impl Chunks<Bytes> for Records {
    fn next(&mut self) -> tidemill::Result<Option<Chunk<'_, Bytes>>> {
        self.out.clear();
        if self.block.is_empty() {
            self.fetch();
        }
        while !self.block.is_empty() && self.out.len() < PORTION {
            self.out.push(self.block.split_to(self.record_bytes));
        }
        if self.out.is_empty() {
            return self.failed.take().map_or(Ok(None), Err);
        }
        Ok(Some(Chunk::Own(&mut self.out)))
    }

    fn count_rest(&mut self) -> tidemill::Result<u64> {
        let mut count = 0;
        loop {
            count += (self.block.len() / self.record_bytes) as u64;
            self.block = Bytes::new();
            if self.over {
                return self.failed.take().map_or(Ok(count), Err);
            }
            self.fetch();
        }
    }
}

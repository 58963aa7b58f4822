//! A log of records for a storage that cannot append.

use std::sync::Arc;

use super::envelope::{self, Kind, number};
use super::{Entry, Log, Put, PutMode, Storage, failed};
use crate::words::{Epoch, Error, Result};

/// A [`Log`] of numbered objects that only the first writer can create.
///
/// Every [`sync`](Log::sync) puts one object, `path/00000000000000000042`, if nobody else has: an [envelope](mod@envelope)
/// with the writer's epoch and the records. Opening puts one without records under the highest number + 1. So the
/// numbers are dense, epochs rise with them, and an older writer finds its next number taken: it is fenced.
///
/// A log is deleted as a whole; a writer whose last object is gone is fenced as well, since it would otherwise begin
/// the deleted log anew.
#[derive(Debug)]
pub struct SegmentLog {
    storage: Arc<dyn Storage>,
    path: String,
    epoch: Epoch,
    next: u64,
    /// The segment to come: the epoch, then length and bytes of each record.
    payload: Vec<u8>,
}

const KIND: Kind = *b"SEGM";
const VERSION: u16 = 1;
const EPOCH_BYTES: usize = 8;

/// How often opening looks again when somebody else opens at the same time.
const OPEN_TRIES_MAX: usize = 100;

/// Segments in one listing: some ten kilobytes of names.
const PAGE: usize = 1000;

impl SegmentLog {
    /// Takes the log at `path` over.
    ///
    /// # Errors
    /// [`Error::Fenced`] where a writer of a newer epoch was here; [`Error::Storage`] where the storage fails.
    pub fn open(storage: Arc<dyn Storage>, path: &str, epoch: Epoch) -> Result<Self> {
        let payload = epoch.0.to_le_bytes().to_vec();
        for _ in 0..OPEN_TRIES_MAX {
            let mut newest = None;
            for_each_segment(&*storage, path, |number, entry| {
                newest = Some((number, entry.path.clone()));
                Ok(())
            })?;
            let next = match newest {
                None => 0,
                Some((number, name)) => {
                    // Gone between the listing and here: somebody deletes the log; look again.
                    let Some(bytes) = storage.get(&name, None)? else { continue };
                    let written = segment(&name, &bytes)?.0;
                    if written > epoch {
                        return Err(fenced(path, epoch, &format!("epoch {} has taken it over", written.0)));
                    }
                    number + 1
                }
            };
            if storage.put(&name(path, next), &envelope::seal(KIND, VERSION, &payload), PutMode::IfAbsent)?
                == Put::Done
            {
                return Ok(Self { storage, path: path.into(), epoch, next: next + 1, payload });
            }
        }
        Err(fenced(path, epoch, "others keep opening it"))
    }
}

impl Log for SegmentLog {
    fn append(&mut self, record: &[u8]) -> Result<()> {
        let length = u32::try_from(record.len()).map_err(|_| {
            failed(
                "append to",
                &*self.path,
                std::io::Error::new(std::io::ErrorKind::InvalidInput, "a record is larger than 4 GiB"),
            )
        })?;
        self.payload.extend_from_slice(&length.to_le_bytes());
        self.payload.extend_from_slice(record);
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        if self.payload.len() == EPOCH_BYTES {
            return Ok(());
        }
        let name_now = name(&self.path, self.next);
        let sealed = envelope::seal(KIND, VERSION, &self.payload);
        if self.storage.put(&name_now, &sealed, PutMode::IfAbsent)? == Put::Exists {
            // A sync that failed may have written it all the same. No other writer's segment looks like ours: under
            // this number it would be the one without records, with which it took over.
            if self.storage.get(&name_now, None)?.as_deref() != Some(&sealed) {
                return Err(fenced(
                    &self.path,
                    self.epoch,
                    &format!("another writer holds segment {}", self.next),
                ));
            }
        }
        if self.storage.get(&name(&self.path, self.next - 1), Some(0..0))?.is_none() {
            self.storage.delete(&name_now)?;
            return Err(fenced(&self.path, self.epoch, "the log was deleted by a newer run"));
        }
        self.next += 1;
        self.payload.truncate(EPOCH_BYTES);
        Ok(())
    }
}

/// Reads every record of the log at `path`.
pub(super) fn read<S: Storage + ?Sized>(
    storage: &S,
    path: &str,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut before: Option<u64> = None;
    for_each_segment(storage, path, |number, entry| {
        if let Some(before) = before
            && number != before + 1
        {
            return Err(corrupt(path, format!("segment {} is missing", before + 1)));
        }
        before = Some(number);
        let Some(bytes) = storage.get(&entry.path, None)? else {
            return Err(corrupt(&entry.path, "it was deleted while the log was read".into()));
        };
        let (_, mut records) = segment(&entry.path, &bytes)?;
        while !records.is_empty() {
            each(
                record(&mut records)
                    .ok_or_else(|| corrupt(&entry.path, "a record in it is cut off".into()))?,
            )?;
        }
        Ok(())
    })
}

/// Removes every segment, the oldest first: what is left of an interrupted run has no holes.
pub(super) fn delete<S: Storage + ?Sized>(storage: &S, path: &str) -> Result<()> {
    for_each_segment(storage, path, |_, entry| storage.delete(&entry.path))
}

fn for_each_segment<S: Storage + ?Sized>(
    storage: &S,
    path: &str,
    mut each: impl FnMut(u64, &Entry) -> Result<()>,
) -> Result<()> {
    let prefix = format!("{path}/");
    let mut after = String::new();
    loop {
        let page = storage.list(&prefix, &after, PAGE)?;
        for entry in &page {
            // What is no number is none of ours.
            let digits = entry.path.strip_prefix(&prefix).filter(|name| name.len() == 20);
            if let Some(number) = digits.and_then(|digits| digits.parse().ok()) {
                each(number, entry)?;
            }
        }
        match page.into_iter().next_back() {
            Some(last) => after = last.path,
            None => return Ok(()),
        }
    }
}

/// The epoch and the records of a segment.
fn segment<'a>(path: &str, bytes: &'a [u8]) -> Result<(Epoch, &'a [u8])> {
    let (version, payload) = envelope::open(KIND, path, bytes)?;
    match payload.split_at_checked(EPOCH_BYTES) {
        Some((epoch, records)) if version == VERSION => Ok((Epoch(number(epoch)), records)),
        _ => Err(corrupt(
            path,
            format!("it is a log segment of version {version}, this version reads {VERSION}"),
        )),
    }
}

/// Takes one record from the front; `None` where it is cut off.
fn record<'a>(records: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = records.split_at_checked(4)?;
    let (record, rest) = rest.split_at_checked(number(length) as usize)?;
    *records = rest;
    Some(record)
}

fn name(path: &str, number: u64) -> String {
    format!("{path}/{number:020}")
}

fn fenced(path: &str, epoch: Epoch, why: &str) -> Error {
    Error::Fenced(format!("the writer of epoch {} lost the log `{path}`: {why}", epoch.0))
}

fn corrupt(path: &str, reason: String) -> Error {
    Error::Corrupt { path: path.into(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryStorage;

    #[test]
    fn the_bytes_of_a_segment_never_change() {
        // An envelope of version 1 with 20 bytes: epoch 7, the record `tide`, an empty record.
        let envelope = *b"tdml\x01\0\x01\0SEGM\x14\0\0\0\0\0\0\0\x89\xf1\xae\xfd";
        let payload = *b"\x07\0\0\0\0\0\0\0\x04\0\0\0tide\0\0\0\0";
        let storage = MemoryStorage::new();

        let mut log = storage.log("wal", Epoch(7)).unwrap();
        log.append(b"tide").unwrap();
        log.append(b"").unwrap();
        log.sync().unwrap();

        let written = storage.get("wal/00000000000000000001", None).unwrap().unwrap();
        assert_eq!(written, [&envelope[..], &payload[..]].concat());
    }

    #[test]
    fn a_missing_segment_is_no_shorter_log() {
        let storage = MemoryStorage::new();
        let mut log = storage.log("wal", Epoch(1)).unwrap();
        for record in [b"a", b"b", b"c"] {
            log.append(record).unwrap();
            log.sync().unwrap();
        }
        storage.delete(&name("wal", 2)).unwrap();

        let error = storage.read_log("wal", &mut |_| Ok(())).unwrap_err();

        assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
        assert!(error.to_string().contains("segment 2 is missing"), "{error}");
    }

    #[test]
    fn a_damaged_segment_is_named() {
        let storage = MemoryStorage::new();
        storage.log("wal", Epoch(1)).unwrap();
        let path = name("wal", 0);
        let mut bytes = storage.get(&path, None).unwrap().unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        let _: Put = storage.put(&path, &bytes, PutMode::Replace).unwrap();

        for error in [
            storage.read_log("wal", &mut |_| Ok(())).unwrap_err(),
            storage.log("wal", Epoch(2)).map(drop).unwrap_err(),
        ] {
            assert!(matches!(&error, Error::Corrupt { path: named, .. } if *named == path), "{error:?}");
        }
    }

    #[test]
    fn more_segments_than_a_listing_holds_are_read_in_order() {
        let storage = MemoryStorage::new();
        let mut log = storage.log("wal", Epoch(1)).unwrap();
        for n in 0..2 * PAGE as u64 {
            log.append(&n.to_le_bytes()).unwrap();
            log.sync().unwrap();
        }
        let mut seen = 0;

        storage
            .read_log("wal", &mut |record| {
                assert_eq!(number(record), seen);
                seen += 1;
                Ok(())
            })
            .unwrap();

        assert_eq!(seen, 2 * PAGE as u64);
        // The newest number is found behind the first page, too.
        storage.log("wal", Epoch(2)).unwrap().append(b"x").unwrap();
        assert_eq!(
            log.append(b"late").and_then(|()| log.sync()).unwrap_err().retry(),
            crate::words::Retry::Never
        );
    }
}

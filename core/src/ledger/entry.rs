//! What stands in the ledger, and how it is written.
//!
//! An entry is an envelope of kind `LEDG`: the epoch and the entry in postcard's format, and behind a commit the deltas of
//! all operators that remember something, as they came: they are large, and copied once. An object of deltas is an
//! envelope of kind `DELT` around the same.

use serde::{Deserialize, Serialize};

use crate::data::Wire;
use crate::state::Delta;
use crate::storage::envelope::{self, Kind};
use crate::words::{BatchTime, Epoch, Error, Result};

/// Kind of the entries.
const ENTRY: Kind = *b"LEDG";
/// Kind of the objects of deltas.
const DELTAS: Kind = *b"DELT";
/// Version of what is in both.
const VERSION: u16 = 1;

/// Something that is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Entry {
    /// A run of the job begins.
    Opened(Identity),
    /// The exact input of a batch: what each member offered for each input, and what the inputs made of it.
    Planned { batch: BatchTime, offers: Vec<Vec<Vec<u8>>>, inputs: Vec<PlannedInput> },
    /// A batch is done; what sinks want to be told when it is shown, and where its deltas are.
    Committed { batch: BatchTime, failed: Option<String>, outputs: Vec<SavedOutput>, deltas: Deltas },
    /// What a batch wrote has been shown.
    Published { batch: BatchTime },
}

/// What a job is from its first start on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Made with the ledger; receipts and stores know it.
    pub(crate) job: String,
    /// Partitions of a shuffle where the user names no number.
    pub(crate) parallelism: u32,
    pub(crate) interval_ms: u64,
    /// One interval before the first batch ever: slides count from it.
    pub(crate) zero: BatchTime,
    /// The version of the crate that wrote it.
    pub(crate) build: String,
}

/// What an input settled on for a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlannedInput {
    /// As far as they are known before reading.
    pub(crate) records: u64,
    /// Whether another run can read them again.
    pub(crate) replayable: bool,
}

/// One save of an output operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedOutput {
    pub(crate) uid: String,
    pub(crate) ordinal: u32,
    /// By partition: the sink's token, and rows.
    pub(crate) receipts: Vec<(Vec<u8>, u64)>,
}

/// Where the deltas of a batch are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Deltas {
    /// Behind the entry; also where there are none.
    Inline,
    /// In objects of their own, one a member that had some.
    Objects(Vec<DeltaObject>),
}

/// Deltas of one member in an object of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeltaObject {
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) crc: u32,
}

/// What a batch adds to one operator.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeeperDeltas {
    pub(crate) uid: String,
    pub(crate) deltas: Vec<Delta>,
}

impl KeeperDeltas {
    /// The length of what the operator has written.
    pub(crate) fn bytes(&self) -> u64 {
        self.deltas.iter().map(|delta| delta.bytes.len() as u64).sum()
    }
}

/// Writes an entry, and `deltas` behind it, as one object into `out`, which is empty.
pub(super) fn write_entry(
    epoch: Epoch,
    entry: &Entry,
    deltas: &[KeeperDeltas],
    out: &mut Vec<u8>,
) -> Result<()> {
    envelope::begin(out);
    epoch.encode(out)?;
    entry.encode(out)?;
    if matches!(entry, Entry::Committed { deltas: Deltas::Inline, .. }) {
        write_deltas(deltas, out)?;
    }
    envelope::end(ENTRY, VERSION, out);
    Ok(())
}

/// Reads what [`write_entry`] wrote; deltas of a commit that has them in objects are not there.
pub(super) fn read_entry(path: &str, bytes: &[u8]) -> Result<(Epoch, Entry, Vec<KeeperDeltas>)> {
    let mut payload = opened(ENTRY, path, bytes)?;
    let corrupt = |error: Error| corrupt(path, error.to_string());
    let epoch = Epoch::decode(&mut payload).map_err(corrupt)?;
    let entry = Entry::decode(&mut payload).map_err(corrupt)?;
    let inline = matches!(entry, Entry::Committed { deltas: Deltas::Inline, .. });
    let deltas = if inline { read_deltas(&mut payload).map_err(corrupt)? } else { Vec::new() };
    if payload.is_empty() {
        Ok((epoch, entry, deltas))
    } else {
        Err(self::corrupt(path, format!("{} bytes stand behind its end", payload.len())))
    }
}

/// One member's deltas as an object, and what names it.
pub(crate) fn delta_object(path: String, deltas: &[KeeperDeltas]) -> Result<(DeltaObject, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(deltas.iter().map(KeeperDeltas::bytes).sum::<u64>() as usize + 1024);
    envelope::begin(&mut bytes);
    write_deltas(deltas, &mut bytes)?;
    let crc = envelope::end(DELTAS, VERSION, &mut bytes);
    Ok((DeltaObject { path, bytes: bytes.len() as u64, crc }, bytes))
}

/// Reads what [`delta_object`] made.
pub(super) fn read_delta_object(object: &DeltaObject, bytes: Option<Vec<u8>>) -> Result<Vec<KeeperDeltas>> {
    let path = &object.path;
    let bytes = bytes.ok_or_else(|| corrupt(path, "a commit names it, and it is not there".into()))?;
    if bytes.len() as u64 != object.bytes || envelope::crc(&bytes) != Some(object.crc) {
        return Err(corrupt(path, "it is not the object that the commit names".into()));
    }
    let mut payload = opened(DELTAS, path, &bytes)?;
    read_deltas(&mut payload).map_err(|error| corrupt(path, error.to_string()))
}

fn write_deltas(all: &[KeeperDeltas], out: &mut Vec<u8>) -> Result<()> {
    (all.len() as u64).encode(out)?;
    for KeeperDeltas { uid, deltas } in all {
        uid.encode(out)?;
        (deltas.len() as u64).encode(out)?;
        for Delta { partition, bytes } in deltas {
            partition.encode(out)?;
            (bytes.len() as u64).encode(out)?;
            out.extend_from_slice(bytes);
        }
    }
    Ok(())
}

fn read_deltas(from: &mut &[u8]) -> Result<Vec<KeeperDeltas>> {
    let mut all = Vec::new();
    for _ in 0..u64::decode(from)? {
        let (uid, mut deltas) = (String::decode(from)?, Vec::new());
        for _ in 0..u64::decode(from)? {
            let (partition, length) = (u32::decode(from)?, u64::decode(from)?);
            let Some((bytes, rest)) = from.split_at_checked(usize::try_from(length).unwrap_or(usize::MAX))
            else {
                return Err(Error::new("a delta is cut off"));
            };
            deltas.push(Delta { partition, bytes: bytes.to_vec() });
            *from = rest;
        }
        all.push(KeeperDeltas { uid, deltas });
    }
    Ok(all)
}

/// The payload of an envelope that this version can read.
pub(super) fn opened<'a>(kind: Kind, path: &str, bytes: &'a [u8]) -> Result<&'a [u8]> {
    match envelope::open(kind, path, bytes)? {
        (VERSION, payload) => Ok(payload),
        (version, _) => Err(corrupt(
            path,
            format!(
                "it has version {version}, this build reads {VERSION}: it was written by a newer tidemill, use that one"
            ),
        )),
    }
}

pub(super) fn corrupt(path: &str, reason: String) -> Error {
    Error::Corrupt { path: path.into(), reason }
}

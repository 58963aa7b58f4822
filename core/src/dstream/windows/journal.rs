//! What a window writes down of its batches, and how it is read back.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::restored::Window;
use super::settings::Settings;
use crate::dstream::Stream;
use crate::dstream::keeper::{BaseJob, BaseWanted, Opening};
use crate::rdd::spread;
use crate::runtime::Site;
use crate::state::{Delta, StateBase};
use crate::storage::{Put, PutMode, Storage, envelope};
use crate::words::{BatchTime, Error, Result};

/// Kind of the envelopes of objects with panes.
const KIND: envelope::Kind = *b"PANE";
const VERSION: u16 = 1;

/// Key groups, of which a base of this member takes its share: there is one base a member.
const GROUPS: usize = 128;

/// A base is written when so much of a window's length has passed, so that a window stands on few objects.
const BASES_A_WINDOW: u32 = 8;

/// And when there are so many bytes: until then they are in memory as well.
const BASE_BYTES: usize = 4 << 20;

/// What one partition of one batch added.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) partition: u32,
    /// How many partitions there were.
    pub(super) of: u32,
    pub(super) bytes: Vec<u8>,
}

impl Piece {
    fn delta(&self) -> Delta {
        let bytes = [&self.of.to_le_bytes()[..], &self.bytes].concat();
        Delta { partition: self.partition, bytes }
    }

    fn of_delta(delta: &Delta) -> Result<Self> {
        let Some((of, bytes)) = delta.bytes.split_first_chunk() else {
            return Err(corrupt("the ledger", "what a batch added to a window is cut off"));
        };
        Ok(Self { partition: delta.partition, of: u32::from_le_bytes(*of), bytes: bytes.to_vec() })
    }
}

/// The pieces of batches, in order of time and of partitions.
pub(super) type Pieces = BTreeMap<BatchTime, Vec<Arc<Piece>>>;

/// What is written down of a window, and where.
#[derive(Default)]
pub(super) struct Journal {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    uid: Arc<str>,
    durable: bool,
    me: u32,
    members: u32,
    // Of the batch that runs.
    running: Option<(BatchTime, Vec<Arc<Piece>>)>,
    // Committed since the newest base.
    since: Pieces,
    based: Option<BatchTime>,
    objects: Vec<Object>,
    // What was read back: a delta that is in a base already is passed over.
    known: BTreeSet<(BatchTime, u32)>,
    restored: Pieces,
}

/// An object of a base.
#[derive(Clone, Debug)]
struct Object {
    path: String,
    newest: BatchTime,
    bytes: u64,
}

impl Journal {
    /// Begins with the bases.
    pub(super) fn open(&self, opening: &Opening<'_>) -> Result<()> {
        let mut inner = self.inner.lock();
        *inner = Inner { uid: opening.uid.into(), durable: opening.durable, ..Inner::default() };
        (inner.me, inner.members) = (opening.engine.me(), opening.engine.members());
        let paths: BTreeSet<&String> = opening.bases.iter().flat_map(|base| &base.objects).collect();
        for path in paths {
            let Some(sealed) = opening.storage.get(path, None)? else {
                return Err(corrupt(
                    path,
                    &format!("it is missing, and the window `{}` stands on it", opening.uid),
                ));
            };
            let (version, payload) = envelope::open(KIND, path, &sealed)?;
            if version != VERSION {
                return Err(corrupt(path, &format!("it holds panes of version {version}")));
            }
            let pieces = read(path, payload)?;
            let Some(newest) = pieces.keys().next_back().copied() else { continue };
            inner.objects.push(Object { path: path.clone(), newest, bytes: sealed.len() as u64 });
            for (batch, pieces) in pieces {
                pieces.into_iter().for_each(|piece| inner.restore(batch, piece));
            }
        }
        Ok(())
    }

    /// Takes in what a batch behind the bases added.
    pub(super) fn replay(&self, batch: BatchTime, deltas: &[Delta]) -> Result<()> {
        let mut inner = self.inner.lock();
        for delta in deltas {
            let piece = Arc::new(Piece::of_delta(delta)?);
            if inner.known.contains(&(batch, piece.partition)) {
                continue;
            }
            if spread(piece.partition as usize, piece.of as usize, inner.members) == inner.me {
                inner.since.entry(batch).or_default().push(Arc::clone(&piece));
            }
            inner.restore(batch, piece);
        }
        Ok(())
    }

    /// What was read back of batches behind `until`; given once.
    pub(super) fn restored(&self, until: BatchTime) -> Pieces {
        let mut inner = self.inner.lock();
        inner.known.clear();
        let mut restored = std::mem::take(&mut inner.restored);
        let mut restored = restored.split_off(&BatchTime::from_millis(until.as_millis() + 1));
        restored.values_mut().for_each(|pieces| pieces.sort_by_key(|piece| piece.partition));
        restored
    }

    /// What was given by [`restored`](Self::restored) was not taken in by all, and is given again.
    pub(super) fn restore_again(&self, pieces: &Pieces) {
        self.inner.lock().restored.clone_from(pieces);
    }

    /// Whether batches are written down.
    pub(super) fn is_durable(&self) -> bool {
        self.inner.lock().durable
    }

    /// The window of the operator at `site`, whose journal this is.
    pub(super) fn window(&self, site: Site) -> Window {
        Window { uid: Arc::clone(&self.inner.lock().uid), site }
    }

    /// The tasks of the batch have `given` something for the partitions of this member in turn, and what is written down of
    /// each; gives the former back, by partition.
    pub(super) fn ran<R>(
        &self,
        batch: BatchTime,
        mine: Vec<usize>,
        of: usize,
        given: Vec<(R, Option<Vec<u8>>)>,
    ) -> Vec<(usize, R)> {
        let mut pieces = Vec::new();
        let by_partition = mine.into_iter().zip(given).map(|(partition, (given, written))| {
            let piece = |bytes| Piece { partition: partition as u32, of: of as u32, bytes };
            pieces.extend(written.map(piece));
            (partition, given)
        });
        let by_partition = by_partition.collect();
        self.run(batch, pieces);
        by_partition
    }

    /// What the batch that runs adds on this member.
    fn run(&self, batch: BatchTime, pieces: Vec<Piece>) {
        self.inner.lock().running = Some((batch, pieces.into_iter().map(Arc::new).collect()));
    }

    /// What the batch adds, for its commit.
    pub(super) fn delta(&self, batch: BatchTime) -> Vec<Delta> {
        let inner = self.inner.lock();
        let running = inner.running.iter().filter(|(running, _)| *running == batch);
        running.flat_map(|(_, pieces)| pieces).map(|piece| piece.delta()).collect()
    }

    /// The batch is over, and durable where it is `committed`.
    pub(super) fn over(&self, batch: BatchTime, committed: bool) {
        let mut inner = self.inner.lock();
        if let Some((running, pieces)) = inner.running.take()
            && running == batch
            && committed
            && !pieces.is_empty()
        {
            inner.since.insert(batch, pieces);
        }
    }

    /// Work that writes what came since the newest base, of windows on `parent`.
    pub(super) fn base<T>(
        &self,
        wanted: &BaseWanted<'_>,
        settings: Settings,
        parent: &Stream<T>,
    ) -> Result<Option<BaseJob>> {
        let span = settings.span(parent.zero()?);
        let next = wanted.batch.plus(parent.slide());
        Ok(self.base_from(wanted, span.before(span.due(next)), settings.length.as_duration()))
    }

    /// What lies at or before `until` is in no window any more.
    fn base_from(&self, wanted: &BaseWanted<'_>, until: BatchTime, length: Duration) -> Option<BaseJob> {
        let mut inner = self.inner.lock();
        let first = inner.since.keys().next().copied().unwrap_or(wanted.batch);
        let based = *inner.based.get_or_insert(first);
        let bytes: usize = inner.since.values().flatten().map(|piece| piece.bytes.len()).sum();
        if wanted.batch.minus(length / BASES_A_WINDOW) < based && bytes < BASE_BYTES {
            return None;
        }
        inner.since = inner.since.split_off(&BatchTime::from_millis(until.as_millis() + 1));
        let (since, groups) = (inner.since.clone(), groups(inner.me, inner.members));
        let kept: Vec<Object> =
            inner.objects.iter().filter(|object| object.newest > until).cloned().collect();
        let (batch, path, inner) = (wanted.batch, format!("{}/panes", wanted.path), Arc::clone(&self.inner));
        Some(Box::new(move |storage: &dyn Storage| {
            let mut objects = kept;
            if let Some(newest) = since.keys().next_back() {
                let sealed = envelope::seal(KIND, VERSION, &written(&since));
                let _: Put = storage.put(&path, &sealed, PutMode::Replace)?;
                objects.push(Object { path, newest: *newest, bytes: sealed.len() as u64 });
            }
            let mut inner = inner.lock();
            inner.based = Some(batch);
            inner.since.retain(|time, _| !since.contains_key(time));
            inner.objects.clone_from(&objects);
            let bytes = objects.iter().map(|object| object.bytes).sum();
            let objects = objects.into_iter().map(|object| object.path).collect();
            Ok(vec![StateBase { groups, applied: Some(batch), objects, bytes }])
        }))
    }
}

impl Inner {
    fn restore(&mut self, batch: BatchTime, piece: Arc<Piece>) {
        if self.known.insert((batch, piece.partition)) {
            self.restored.entry(batch).or_default().push(piece);
        }
    }
}

/// The key groups of a member.
fn groups(me: u32, members: u32) -> Range<u8> {
    let mut mine = (0..GROUPS).filter(|group| spread(*group, GROUPS, members) == me);
    let first = mine.next().unwrap_or(0);
    first as u8..mine.next_back().map_or(first, |last| last + 1) as u8
}

/// Batch u64, partition u32, of u32, length u64, bytes; one piece behind the other, little-endian.
fn written(pieces: &Pieces) -> Vec<u8> {
    let mut out = Vec::new();
    for (batch, pieces) in pieces {
        for piece in pieces {
            out.extend_from_slice(&batch.as_millis().to_le_bytes());
            out.extend_from_slice(&piece.partition.to_le_bytes());
            out.extend_from_slice(&piece.of.to_le_bytes());
            out.extend_from_slice(&(piece.bytes.len() as u64).to_le_bytes());
            out.extend_from_slice(&piece.bytes);
        }
    }
    out
}

fn read(path: &str, mut bytes: &[u8]) -> Result<Pieces> {
    let mut pieces = Pieces::new();
    while !bytes.is_empty() {
        let (batch, piece) =
            take(&mut bytes).ok_or_else(|| corrupt(path, "a piece of a window is cut off"))?;
        pieces.entry(batch).or_default().push(Arc::new(piece));
    }
    Ok(pieces)
}

fn take(bytes: &mut &[u8]) -> Option<(BatchTime, Piece)> {
    let batch = BatchTime::from_millis(u64::from_le_bytes(*bytes.split_off(..8)?.first_chunk()?));
    let partition = u32::from_le_bytes(*bytes.split_off(..4)?.first_chunk()?);
    let of = u32::from_le_bytes(*bytes.split_off(..4)?.first_chunk()?);
    let length = u64::from_le_bytes(*bytes.split_off(..8)?.first_chunk()?);
    let piece = bytes.split_off(..usize::try_from(length).ok()?)?;
    Some((batch, Piece { partition, of, bytes: piece.to_vec() }))
}

fn corrupt(path: &str, reason: &str) -> Error {
    Error::Corrupt { path: path.into(), reason: reason.into() }
}

#[cfg(test)]
mod tests;

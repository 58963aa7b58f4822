//! What a window writes down of its batches, and how it is read back.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::dstream::keeper::{BaseJob, BaseWanted, Opening};
use crate::rdd::spread;
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
        *inner = Inner { durable: opening.durable, ..Inner::default() };
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

    /// What the batch that runs adds on this member.
    pub(super) fn run(&self, batch: BatchTime, pieces: Vec<Piece>) {
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

    /// Work that writes what came since the newest base; what lies at or before `until` is in no window any more.
    pub(super) fn base(
        &self,
        wanted: &BaseWanted<'_>,
        until: BatchTime,
        length: Duration,
    ) -> Option<BaseJob> {
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
mod tests {
    use super::*;
    use crate::storage::MemoryStorage;

    fn at(second: u64) -> BatchTime {
        BatchTime::from_millis(second * 1000)
    }

    fn piece(bytes: &[u8]) -> Piece {
        Piece { partition: 1, of: 2, bytes: bytes.to_vec() }
    }

    #[test]
    fn the_bytes_of_panes_never_change_and_what_is_cut_off_is_refused() {
        let pieces = Pieces::from([(at(1), vec![Arc::new(piece(b"ab"))])]);
        let bytes = [&[0xe8, 3, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0][..], b"ab"];
        let bytes = bytes.concat();
        assert_eq!(written(&pieces), bytes);
        assert_eq!(read("bases/7", &bytes).unwrap(), pieces);
        for length in 1..bytes.len() {
            let error = read("bases/7", &bytes[..length]).unwrap_err();
            assert!(matches!(&error, Error::Corrupt { path, .. } if path == "bases/7"), "{error:?}");
        }
        let delta = piece(b"ab").delta();
        assert_eq!((delta.partition, &delta.bytes[..]), (1, &[2, 0, 0, 0, b'a', b'b'][..]));
        assert_eq!(Piece::of_delta(&delta).unwrap(), piece(b"ab"));
        assert!(Piece::of_delta(&Delta { partition: 1, bytes: vec![2, 0] }).is_err());
    }

    #[test]
    fn a_base_writes_what_is_new_and_names_what_still_reaches_into_the_window() {
        let (journal, storage) = (Journal::default(), MemoryStorage::new());
        journal.inner.lock().members = 1;
        let (length, mut bases) = (Duration::from_secs(16), 0);
        for second in 1..=60 {
            journal.run(at(second), vec![piece(&[second as u8])]);
            journal.over(at(second), second % 10 != 0);
            let (until, path) = (at((second + 1).saturating_sub(16)), format!("bases/{second}"));
            let wanted = BaseWanted { batch: at(second), bytes: 0, kept: &[], path: &path };
            let Some(job) = journal.base(&wanted, until, length) else { continue };
            if second % 7 == 0 {
                // It fails: all that it had is in the next one.
                continue;
            }
            let base = job(&storage).unwrap().remove(0);
            assert_eq!((base.groups, base.applied), (0..128, Some(at(second))));
            assert!(base.objects.len() <= 9, "{} objects", base.objects.len());
            let mut found = Vec::new();
            for object in &base.objects {
                let sealed = storage.get(object, None).unwrap().unwrap();
                let (_, payload) = envelope::open(KIND, object, &sealed).unwrap();
                found.extend(read(object, payload).unwrap().into_keys());
            }
            let count = found.len();
            let found: BTreeSet<BatchTime> = found.into_iter().collect();
            assert_eq!(found.len(), count, "a batch is written once");
            let committed = (1..=second).filter(|second| second % 10 != 0).map(at);
            assert!(committed.filter(|time| *time > until).all(|time| found.contains(&time)), "{found:?}");
            let skipped = |time: &BatchTime| time.as_millis().is_multiple_of(10_000);
            assert!(!found.iter().any(skipped), "a skipped batch is in no base: {found:?}");
            bases += 1;
        }
        assert!(bases > 15, "{bases} bases");
    }

    #[test]
    fn what_is_committed_while_a_base_is_written_is_in_the_next_one() {
        let (journal, storage) = (Journal::default(), MemoryStorage::new());
        journal.inner.lock().members = 1;
        let mut objects = Vec::new();
        let mut writing: Option<BaseJob> = None;
        for second in 1..=3 {
            journal.run(at(second), vec![piece(&[second as u8])]);
            journal.over(at(second), true);
            if let Some(job) = writing.take() {
                objects = job(&storage).unwrap().remove(0).objects;
            }
            let path = format!("bases/{second}");
            let wanted = BaseWanted { batch: at(second), bytes: 0, kept: &[], path: &path };
            writing = journal.base(&wanted, at(0), Duration::ZERO);
        }
        assert_eq!(objects, ["bases/1/panes", "bases/2/panes"]);
        let sealed = storage.get(&objects[1], None).unwrap().unwrap();
        let (_, payload) = envelope::open(KIND, &objects[1], &sealed).unwrap();
        assert!(read(&objects[1], payload).unwrap().keys().eq([&at(2)]));
    }

    #[test]
    fn what_came_since_a_base_is_written_early_where_it_is_much() {
        let journal = Journal::default();
        let wanted = |second| BaseWanted { batch: at(second), bytes: 0, kept: &[], path: "bases/1" };
        let hour = Duration::from_hours(1);
        let base = |second| journal.base(&wanted(second), at(0), hour).is_some();
        journal.run(at(1), vec![piece(b"little")]);
        journal.over(at(1), true);
        assert!(!base(1));
        journal.run(at(2), vec![piece(&vec![0; BASE_BYTES])]);
        journal.over(at(2), true);
        assert!(base(2));
    }

    #[test]
    fn a_delta_that_is_in_a_base_already_is_passed_over() {
        let (storage, ssc) = (MemoryStorage::new(), crate::testing::local(1));
        let pieces = Pieces::from([1, 2].map(|second| (at(second), vec![Arc::new(piece(&[second as u8]))])));
        let sealed = envelope::seal(KIND, VERSION, &written(&pieces));
        let _: Put = storage.put("bases/1", &sealed, PutMode::Replace).unwrap();
        let base =
            |groups| StateBase { groups, applied: Some(at(2)), objects: vec!["bases/1".into()], bytes: 0 };
        let storage: Arc<dyn Storage> = Arc::new(storage);
        let backend: Arc<dyn crate::state::StateBackend> = Arc::new(crate::state::MemoryState::new());
        let journal = Journal::default();
        let opening = Opening {
            ledger: "job",
            uid: "window",
            engine: &ssc.job().engine,
            backend: &backend,
            storage: &storage,
            durable: true,
            found: None,
            // Two members have named the same object.
            bases: &[base(0..64), base(64..128)],
            committed: Some(at(3)),
        };
        journal.open(&opening).unwrap();
        for second in [2, 3] {
            journal.replay(at(second), &[piece(&[second as u8]).delta()]).unwrap();
        }
        let restored = journal.restored(at(1));
        let expected = [2, 3].map(|second| (at(second), vec![Arc::new(piece(&[second as u8]))]));
        assert_eq!(restored, Pieces::from(expected));
        // What the base has is not written again.
        assert!(journal.inner.lock().since.keys().eq([&at(3)]));
    }
}

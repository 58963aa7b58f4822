//! The store of one operator, and frozen views of it.

use std::ops::Range;
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};
use rocksdb::{Snapshot, WriteBatch};
use self_cell::self_cell;
use tidemill::{
    BatchTime, Changes, KeyGroup, Keys, Result, ScanCursor, StateBase, StateStore, StateView, Storage, Values,
};

use crate::base;
use crate::database::{Database, Mark, add};
use crate::hot::{Hot, Share};

/// A [`StateStore`] on the database of one operator.
pub(crate) struct Store {
    database: Arc<Database>,
    hot: Hot,
    /// Held while a batch is written, so that what is hot and what is in the database are of one batch for who reads both.
    writing: RwLock<()>,
    now: Mutex<Now>,
}

/// What changes with each batch.
struct Now {
    mark: Mark,
    /// What each snapshot that is still kept wants to know of the batches after it.
    snapshots: Vec<Weak<Since>>,
}

impl Store {
    pub(crate) fn new(database: Database, mark: Mark, share: Arc<Share>) -> Self {
        Self {
            hot: Hot::new(database.groups(), share),
            database: Arc::new(database),
            writing: RwLock::new(()),
            now: Mutex::new(Now { mark, snapshots: Vec::new() }),
        }
    }

    /// Answers what is in memory, and nothing for the other keys, whose numbers come back in order.
    fn read_hot(&self, keys: &Keys, values: &mut Values) -> Result<Vec<usize>> {
        let mut by_group = ByGroup::new();
        for (index, (group, key)) in keys.iter().enumerate() {
            self.database.check(group)?;
            by_group.push(group.index(), index, key);
        }
        // Group by group, since the entries of one fit into a core's cache.
        let mut bytes = Vec::new();
        let mut places = vec![None; keys.len()];
        by_group.each(|group, keys| {
            self.hot.with(group, |table| {
                for (index, key) in keys {
                    let Some(value) = table.get(key) else { continue };
                    let start = bytes.len();
                    bytes.extend_from_slice(value);
                    if let Some(place) = places.get_mut(*index) {
                        *place = Some((start, bytes.len()));
                    }
                }
            });
        });
        values.clear();
        let mut misses = Vec::new();
        for (index, place) in places.into_iter().enumerate() {
            values.push(place.and_then(|(start, end)| bytes.get(start..end)));
            if place.is_none() {
                misses.push(index);
            }
        }
        Ok(misses)
    }

    /// Keeps what was read from the database.
    fn warm(&self, keys: &Keys, found: &Values) {
        for ((group, key), value) in keys.iter().zip(found.iter()) {
            if let Some(value) = value {
                self.hot.with(group.index(), |table| table.set(key, value));
            }
        }
    }

    fn freeze(&self) -> Frozen {
        // Under the lock, so that the mark, the snapshot and the changes since go together.
        let mut now = self.now.lock();
        let since = Arc::new(Since::new());
        now.snapshots.retain(|snapshot| snapshot.strong_count() > 0);
        now.snapshots.push(Arc::downgrade(&since));
        let held = Held::new(Arc::clone(&self.database), |database| database.db().snapshot());
        Frozen { held, applied: now.mark.applied, since }
    }
}

impl StateView for Store {
    fn groups(&self) -> Range<u8> {
        self.database.groups()
    }

    fn applied(&self) -> Result<Option<BatchTime>> {
        Ok(self.now.lock().mark.applied)
    }

    fn read(&self, keys: &Keys, values: &mut Values) -> Result<()> {
        let _reading = self.writing.read();
        let misses = self.read_hot(keys, values)?;
        if misses.is_empty() {
            return Ok(());
        }
        let (mut sought, mut found) = (Keys::new(), Values::new());
        for (group, key) in misses.iter().filter_map(|index| keys.get(*index)) {
            sought.push_encoded(group, key);
        }
        self.database.read(None, &sought, &mut found)?;
        self.warm(&sought, &found);
        let hits = std::mem::take(values);
        let mut misses = misses.iter().enumerate().peekable();
        for (index, hit) in hits.iter().enumerate() {
            match misses.next_if(|(_, missed)| **missed == index) {
                Some((number, _)) => values.push(found.get(number)),
                None => values.push(hit),
            }
        }
        Ok(())
    }

    fn scan(&self, group: KeyGroup, cursor: &mut ScanCursor, chunk: &mut Changes) -> Result<bool> {
        self.database.scan(None, group, cursor, chunk)
    }

    fn save(&self, groups: Range<u8>, to: &dyn Storage, path: &str, kept: &[String]) -> Result<StateBase> {
        self.freeze().save(groups, to, path, kept)
    }
}

impl StateStore for Store {
    fn apply(&self, batch: BatchTime, delta: Vec<Changes>) -> Result<()> {
        let mut now = self.now.lock();
        if now.mark.applied >= Some(batch) {
            return Ok(());
        }
        let delta = Arc::new(delta);
        let mut by_group = ByGroup::new();
        for (number, change) in delta.iter().flat_map(Changes::iter).enumerate() {
            self.database.check(change.group)?;
            by_group.push(change.group.index(), number, (change.key, change.value));
        }
        by_group.each_mut(|changes| {
            // In the order of the keys, in which the write buffer takes them fastest; of two of a key the later one is last.
            changes.sort_unstable_by(|(a, (key, _)), (b, (other, _))| key.cmp(other).then(a.cmp(b)));
        });
        let mark = Mark { applied: Some(batch), ..now.mark.clone() };
        // An entry takes a few bytes more there.
        let bytes = |changes: &Changes| changes.as_bytes().len() + changes.len() * ENTRY_BYTES;
        let mut write = WriteBatch::with_capacity_bytes(delta.iter().map(bytes).sum());
        by_group.each(|group, changes| {
            add(&mut write, group, changes.iter().map(|(_, change)| *change));
        });
        mark.write(&mut write)?;

        // Before it is written, so that a snapshot knows of each change that its files may have. Too many do no harm.
        now.snapshots.retain(|since| since.upgrade().inspect(|since| since.push(&delta)).is_some());
        let _writing = self.writing.write();
        self.database.write_batch(write)?;
        by_group.each(|group, changes| {
            self.hot.write(group, changes.iter().map(|(_, change)| *change));
        });
        now.mark = mark;
        Ok(())
    }

    fn snapshot(&self) -> Result<Arc<dyn StateView>> {
        Ok(Arc::new(self.freeze()))
    }
}

/// What an entry takes in a write beside what it takes among changes, about.
const ENTRY_BYTES: usize = 4;

/// Things of a batch with their numbers, sorted out by key group.
struct ByGroup<T> {
    groups: Vec<Vec<(usize, T)>>,
}

impl<T> ByGroup<T> {
    fn new() -> Self {
        Self { groups: Vec::new() }
    }

    fn push(&mut self, group: u8, number: usize, thing: T) {
        let group = usize::from(group);
        if self.groups.len() <= group {
            self.groups.resize_with(group + 1, Vec::new);
        }
        if let Some(list) = self.groups.get_mut(group) {
            list.push((number, thing));
        }
    }

    fn each(&self, mut act: impl FnMut(u8, &[(usize, T)])) {
        for (group, list) in (0..).zip(&self.groups).filter(|(_, list)| !list.is_empty()) {
            act(group, list);
        }
    }

    fn each_mut(&mut self, act: impl FnMut(&mut Vec<(usize, T)>)) {
        self.groups.iter_mut().for_each(act);
    }
}

self_cell!(
    /// A snapshot of RocksDB together with its database, which it borrows.
    struct Held {
        owner: Arc<Database>,
        #[covariant]
        dependent: Snapshot,
    }
);

/// The state as of a batch.
struct Frozen {
    held: Held,
    applied: Option<BatchTime>,
    since: Arc<Since>,
}

impl Frozen {
    fn database(&self) -> &Database {
        self.held.borrow_owner()
    }

    fn at(&self) -> &Snapshot<'_> {
        self.held.borrow_dependent()
    }
}

impl StateView for Frozen {
    fn groups(&self) -> Range<u8> {
        self.database().groups()
    }

    fn applied(&self) -> Result<Option<BatchTime>> {
        Ok(self.applied)
    }

    fn read(&self, keys: &Keys, values: &mut Values) -> Result<()> {
        self.database().read(Some(self.at()), keys, values)
    }

    fn scan(&self, group: KeyGroup, cursor: &mut ScanCursor, chunk: &mut Changes) -> Result<bool> {
        self.database().scan(Some(self.at()), group, cursor, chunk)
    }

    fn save(&self, groups: Range<u8>, to: &dyn Storage, path: &str, kept: &[String]) -> Result<StateBase> {
        let view = base::View { database: self.database(), at: self.at(), applied: self.applied };
        if groups == self.groups() {
            // Only as long as all changes since are known can files, which hold later batches too, make a base.
            if let Some(base) = view.save_files(to, path, kept, &self.since)? {
                return Ok(base);
            }
        }
        view.save_entries(groups, to, path)
    }
}

/// What was written after a snapshot, so that files that hold it too can make a base of the snapshot.
pub(crate) struct Since {
    /// `None` once there was too much: whoever keeps a snapshot for long does not write a base of it.
    deltas: Mutex<Option<Deltas>>,
}

#[derive(Default)]
struct Deltas {
    list: Vec<Arc<Vec<Changes>>>,
    bytes: usize,
}

/// What is kept for a snapshot at most. A base that begins at once has to do with the deltas of a few batches.
const SINCE_BYTES_MAX: usize = 32 << 20;

impl Since {
    fn new() -> Self {
        Self { deltas: Mutex::new(Some(Deltas::default())) }
    }

    fn push(&self, delta: &Arc<Vec<Changes>>) {
        let mut deltas = self.deltas.lock();
        let Some(kept) = &mut *deltas else { return };
        kept.bytes += delta.iter().map(|changes| changes.as_bytes().len()).sum::<usize>();
        kept.list.push(Arc::clone(delta));
        if kept.bytes > SINCE_BYTES_MAX {
            *deltas = None;
        }
    }

    /// The deltas so far; `None` where they were too many.
    pub(crate) fn deltas(&self) -> Option<Vec<Arc<Vec<Changes>>>> {
        self.deltas.lock().as_ref().map(|deltas| deltas.list.clone())
    }
}

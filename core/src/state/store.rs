//! The seam to what keeps states: stores of bytes by key group.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::changes::Changes;
use super::lookup::{Keys, ScanCursor, Values};
use crate::data::KeyGroup;
use crate::storage::Storage;
use crate::words::{BatchTime, Result};

/// The states of one operator, as tasks, queries and bases read them.
///
/// Tasks of a batch read it, many at once. All that crosses it is many records at a time in flat buffers, so it costs no
/// virtual call and no allocation a record.
///
/// # What a view promises
///
/// 1. **Neither order nor prefixes.** Keys are bytes that are equal or not; a scan gives them in any order. What needs
///    an order, as timeouts do, keeps an index of its own.
/// 2. **The caller names the group**, of states and of indexes; a view never computes one. The same key under two
///    groups is two entries.
/// 3. A group that is not among [`groups`](Self::groups) is an error, not an empty answer.
pub trait StateView: Send + Sync + 'static {
    /// The groups that are in here.
    fn groups(&self) -> Range<u8>;

    /// The last batch that is in here whole; `None` before the first. For a store on disk: also after a crash.
    ///
    /// # Errors
    /// Where the store's own files cannot be read.
    fn applied(&self) -> Result<Option<BatchTime>>;

    /// Looks up `keys`, and replaces what is in `values` by one answer a key, in the order of the keys.
    ///
    /// # Errors
    /// [`Error::State`](crate::Error::State) for a group that is not in here; the store's own errors.
    fn read(&self, keys: &Keys, values: &mut Values) -> Result<()>;

    /// Replaces what is in `chunk` by further entries of `group`, and moves `cursor` behind them; `false`, and an empty
    /// chunk, behind the last one. A chunk holds about 64 KiB, and always a whole entry.
    ///
    /// Each entry comes once, as the change that would make it. A cursor is good for this group of this view, and on a
    /// store until the next `apply`: who scans across batches takes a [`snapshot`](StateStore::snapshot).
    ///
    /// # Errors
    /// [`Error::State`](crate::Error::State) for a group that is not in here or a cursor that this view did not make;
    /// the store's own errors.
    fn scan(&self, group: KeyGroup, cursor: &mut ScanCursor, chunk: &mut Changes) -> Result<bool>;

    /// Writes a base of `groups` below `path`, and says what it stands on. When it returns, all of it is durable.
    ///
    /// `kept` are objects of earlier bases of this store that are still there: a store whose files do not change once
    /// they are written names them again instead of writing them. An object that a returned base names is never
    /// changed. `path` is a new one in each try; what a failed save left there is removed by the caller.
    ///
    /// # Errors
    /// [`Error::State`](crate::Error::State) for a group that is not in here; [`Error::Storage`](crate::Error::Storage).
    fn save(&self, groups: Range<u8>, to: &dyn Storage, path: &str, kept: &[String]) -> Result<StateBase>;
}

/// The states of one operator on one member: a **view of the ledger**, not a second truth.
///
/// # What a store promises
///
/// 1. [`apply`](Self::apply) is **all or nothing**, for every reader and after every crash, the new
///    [`applied`](StateView::applied) included.
/// 2. A batch at or before `applied` changes nothing, so applying again is fine.
/// 3. A store may forget its last batches in a crash, since their deltas are durable in the ledger before `apply` is
///    called: it says which is the last it has, and gets the later ones again.
/// 4. A [`snapshot`](Self::snapshot) holds still, for as long as anybody keeps it.
///
/// `tidemill::testing::state` holds an implementation to all this.
///
/// # Examples
///
/// ```
/// use tidemill::{BatchTime, Changes, Keys, MemoryState, MemoryStorage, StateBackend, StateOpening, Values};
///
/// let storage = MemoryStorage::new();
/// let store = MemoryState::new().open(&StateOpening::new("job-1", "counts", 0..128, &storage))?;
/// let (mut keys, mut values) = (Keys::new(), Values::new());
/// let group = keys.push(&"ebb".to_string())?;
///
/// let mut delta = Changes::new();
/// delta.put(group, keys.get(0).unwrap().1, b"7");
/// store.apply(BatchTime::from_millis(1000), vec![delta])?;
///
/// store.read(&keys, &mut values)?;
/// assert_eq!(values.get(0), Some(&b"7"[..]));
/// # Ok::<(), tidemill::Error>(())
/// ```
pub trait StateStore: StateView {
    /// Takes in the delta of a committed batch: what its tasks wrote, in order of their partitions; of two changes of a
    /// key the later one counts. Batches come in order, and one without changes comes too.
    ///
    /// The engine calls it while no task reads; a reader that is there all the same sees the state before or after.
    ///
    /// # Errors
    /// [`Error::State`](crate::Error::State) for a change of a group that is not in here; the store's own errors. Then
    /// nothing is changed.
    fn apply(&self, batch: BatchTime, delta: Vec<Changes>) -> Result<()>;

    /// A frozen view: for queries, and for writing bases while batches go on.
    ///
    /// # Errors
    /// The store's own.
    fn snapshot(&self) -> Result<Arc<dyn StateView>>;
}

/// Opens stores: what a user chooses with one line.
pub trait StateBackend: Debug + Send + Sync + 'static {
    /// Opens the store of one operator, filled from the bases where it does not have what they have.
    ///
    /// A store that keeps files of its own uses them if they are of this ledger and operator, hold these groups, and
    /// are neither ahead of [`committed`](StateOpening::committed) nor behind the oldest of the bases; in each other
    /// case it begins anew from the bases. Afterwards its `applied` is its own last batch, or the oldest of the bases'
    /// (`None` where a group has no base): the engine applies what the ledger has after that. A group whose base is
    /// newer gets some of its batches again, which ends in the same state.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) where a base is damaged or an object of it is missing;
    /// [`Error::Storage`](crate::Error::Storage); the store's own errors.
    fn open(&self, opening: &StateOpening<'_>) -> Result<Arc<dyn StateStore>>;

    /// Whether all states are in memory anyway, so that the engine may keep them as typed values and need not ask the
    /// store for each batch.
    fn in_memory(&self) -> bool {
        false
    }
}

/// Which store is opened, and from what.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StateOpening<'a> {
    /// Names the ledger: files of another one are of no use.
    pub ledger: &'a str,
    /// Names the operator in its job, or an index of the operator.
    pub uid: &'a str,
    /// The groups of this member.
    pub groups: Range<u8>,
    /// The last batch in the ledger: a store that is ahead of it belongs to another history.
    pub committed: Option<BatchTime>,
    /// Where the bases are.
    pub storage: &'a dyn Storage,
    /// The newest base of each group that has one, as the members of an earlier run saved them; their groups do not
    /// overlap, and may be more than are asked for.
    pub bases: &'a [StateBase],
}

impl<'a> StateOpening<'a> {
    /// An opening without bases, in a ledger without commits.
    pub fn new(ledger: &'a str, uid: &'a str, groups: Range<u8>, storage: &'a dyn Storage) -> Self {
        Self { ledger, uid, groups, committed: None, storage, bases: &[] }
    }

    /// The last batch in the ledger.
    #[must_use]
    pub fn committed(mut self, batch: Option<BatchTime>) -> Self {
        self.committed = batch;
        self
    }

    /// The bases to start from.
    #[must_use]
    pub fn bases(mut self, bases: &'a [StateBase]) -> Self {
        self.bases = bases;
        self
    }

    /// The batch that a store is at when it has been filled from the bases alone: the oldest base's, since the deltas
    /// after it are still in the ledger; `None` where one of the groups has no base.
    pub fn bases_applied(&self) -> Option<BatchTime> {
        let base_of = |group: u8| self.bases.iter().find(|base| base.groups.contains(&group));
        let mut groups = self.groups.clone();
        let first = base_of(groups.next()?)?.applied;
        groups.try_fold(first?, |oldest, group| Some(oldest.min(base_of(group)?.applied?)))
    }
}

/// A base of some groups: whole states as of a batch, in objects that never change. It stands in manifests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateBase {
    /// The groups that are in it.
    pub groups: Range<u8>,
    /// The last batch that is in it; `None` where it was saved before the first.
    pub applied: Option<BatchTime>,
    /// The objects that it stands on.
    pub objects: Vec<String>,
    /// The length of all of them, by which it is decided when a new base is worth it.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryStorage;

    fn base(groups: Range<u8>, applied: Option<u64>) -> StateBase {
        StateBase { groups, applied: applied.map(BatchTime::from_millis), objects: vec![], bytes: 0 }
    }

    #[test]
    fn a_store_from_bases_is_as_old_as_the_oldest_of_its_groups() {
        let storage = MemoryStorage::new();
        let applied = |groups: Range<u8>, bases: &[StateBase]| {
            StateOpening::new("job", "counts", groups, &storage).bases(bases).bases_applied()
        };
        let at = |millis| Some(BatchTime::from_millis(millis));
        let bases = [base(0..10, Some(30)), base(20..30, Some(10)), base(10..20, Some(20))];

        assert_eq!(applied(0..30, &bases), at(10));
        assert_eq!(applied(5..15, &bases), at(20), "a base of other groups counts for nothing");
        assert_eq!(applied(0..31, &bases), None, "group 30 has no base");
        assert_eq!(applied(0..2, &[base(0..1, Some(5)), base(1..2, None)]), None);
        assert_eq!(applied(3..3, &bases), None);
    }
}

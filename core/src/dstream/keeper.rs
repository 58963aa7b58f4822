//! The seam between the operators that remember something from batch to batch and the life of a batch.

use std::any::Any;
use std::sync::Arc;

use crate::rdd::{Engine, Job};
use crate::runtime::Site;
use crate::state::{Delta, Shape, StateBackend, StateBase};
use crate::storage::Storage;
use crate::words::{BatchTime, Result};

/// An operator that remembers something from batch to batch: states, windows.
///
/// The driver calls it, on one thread and in this order: [`open`](Self::open), [`replay`](Self::replay) for each
/// committed batch that is not in the bases; then for each batch [`run`](Self::run), where the job has a checkpoint
/// directory [`delta`](Self::delta), and [`commit`](Self::commit) or [`abandon`](Self::abandon). After a commit it may ask
/// for a [`base`](Self::base).
///
/// What a batch adds is seen by the outputs of that batch at once, and by later batches once it is committed: a try, or a
/// batch, that fails leaves nothing behind.
pub(crate) trait Keeper: Send + Sync {
    /// Where it stands in the user's code.
    fn site(&self) -> Site;

    /// What is written down of it.
    fn shape(&self) -> Shape;

    /// Whether a job without a checkpoint directory is refused, unless `tidemill.state.volatile` says otherwise.
    fn must_checkpoint(&self) -> bool;

    /// Begins with what the bases have; without bases, from nothing (or from an initial state).
    ///
    /// # Errors
    /// What cannot be read or is of no use, named.
    fn open(&self, opening: &Opening<'_>) -> Result<()>;

    /// Takes in what a committed batch added. All members' deltas come; a keeper takes what belongs to this one.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) for bytes that it has not written.
    fn replay(&self, batch: BatchTime, deltas: &[Delta]) -> Result<()>;

    /// Computes what the batch of `time` adds, once, before any output of the batch runs; `false` where it is not due.
    ///
    /// # Errors
    /// A task's.
    fn run(&self, time: BatchTime, job: &Arc<Job>) -> Result<bool>;

    /// What the batch adds on this member, written down. The batch has run.
    ///
    /// # Errors
    /// What cannot be written down.
    fn delta(&self, batch: BatchTime) -> Result<Vec<Delta>>;

    /// The batch is durable: what it added is now what there is.
    ///
    /// # Errors
    /// A store's own; the job stops.
    fn commit(&self, batch: BatchTime) -> Result<()>;

    /// The batch is given up, or was skipped: what it would have added is forgotten.
    fn abandon(&self, batch: BatchTime);

    /// Work that writes bases as of the batch that was just committed, for another thread; `None` where there is nothing
    /// worth it now. Called once the one before is done; where that has failed, its groups are still to be written.
    ///
    /// Deltas are kept until the bases of all members together are of all 128 key groups and behind them. A base without
    /// objects, as of an older batch, says that nothing of that batch or before is needed.
    ///
    /// Before the first batch of a run whose [`shape`](Self::shape) has another version than what was found, it is asked
    /// for everything: `bytes` is `u64::MAX`, and what comes back is all there will be in the old version's place.
    ///
    /// # Errors
    /// A store's own.
    fn base(&self, wanted: &BaseWanted<'_>) -> Result<Option<BaseJob>>;

    /// What `StreamingContext::state` looks up.
    fn query(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }
}

/// Writes bases below the path that was named; what comes back replaces, for its groups, what was there.
pub(crate) type BaseJob = Box<dyn FnOnce(&dyn Storage) -> Result<Vec<StateBase>> + Send>;

/// What a keeper begins with.
pub(crate) struct Opening<'a> {
    /// Names the ledger: files of another one are of no use.
    pub(crate) ledger: &'a str,
    /// Names the operator in its job.
    pub(crate) uid: &'a str,
    pub(crate) engine: &'a Arc<Engine>,
    /// Who keeps states.
    pub(crate) backend: &'a Arc<dyn StateBackend>,
    /// Where the bases are.
    pub(crate) storage: &'a Arc<dyn Storage>,
    /// Whether [`Keeper::delta`] will be asked for: with a checkpoint directory.
    pub(crate) durable: bool,
    /// What was written down of it, if it has been there before.
    pub(crate) found: Option<&'a Shape>,
    /// The newest bases, of all members of the run before. One may name fewer groups than its objects have, where a later
    /// base has the others: of those objects only these groups count.
    pub(crate) bases: &'a [StateBase],
    /// The last batch in the ledger.
    pub(crate) committed: Option<BatchTime>,
}

/// Which bases are wanted.
pub(crate) struct BaseWanted<'a> {
    /// The batch that was just committed.
    pub(crate) batch: BatchTime,
    /// How many bytes may be written: as many as deltas were since the last time, so that bases cost no more than they.
    pub(crate) bytes: u64,
    /// The newest bases of this operator that were written by this member in this run.
    pub(crate) kept: &'a [StateBase],
    /// A new path, for the objects of these bases.
    pub(crate) path: &'a str,
}

//! What is written down of a job, so that a restart can go on: plans, commits, and what was shown.
//!
//! A dense sequence of objects that only the first writer can create; its number is not the batch's time. A writer that
//! finds its number taken has been superseded, and stops. Without a checkpoint directory it lies in memory: the same
//! code, the same order, nothing survives.
//!
//! | objects | what |
//! |---|---|
//! | `ledger/<number>` | the entries |
//! | `manifests/<number>` | which bases there are, and which entries are still needed |
//! | `deltas/<epoch>/<batch>/<member>` | what a batch adds, where there are several members |
//! | `bases/<epoch>/<member>/…` | states as of a batch |

mod claims;
mod cleaning;
mod entry;
mod manifest;
mod takeover;

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

pub(crate) use self::claims::{Claim, Terms};
pub(crate) use self::cleaning::{put_manifest, sweep};
pub(crate) use self::entry::{
    DeltaObject, Deltas, Entry, Identity, KeeperDeltas, PlannedInput, SavedOutput, delta_object,
};
pub(crate) use self::manifest::{KeptState, Manifest, MemberBase};
pub(crate) use self::takeover::{History, identity, replay, take_over};
use crate::storage::{MemoryStorage, Put, PutMode, Storage};
use crate::words::{BatchTime, Epoch, Error, Result, Retry};

/// Entries that stay in memory: those of the batch that runs and of the one before.
const KEPT: usize = 8;

/// What is written down of a job.
#[derive(Debug)]
pub(crate) struct Ledger {
    storage: Arc<dyn Storage>,
    epoch: Epoch,
    // Whether it outlives the process.
    durable: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    // The entries that are there, oldest first.
    lines: VecDeque<Line>,
    // Written into again and again.
    buffer: Vec<u8>,
}

/// What is known of an entry that is there.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) number: u64,
    /// The batch that it commits.
    pub(crate) committed: Option<BatchTime>,
    /// The objects that it names.
    pub(crate) objects: Vec<String>,
}

impl Ledger {
    /// A ledger that ends with the process.
    pub(crate) fn in_memory(identity: Identity) -> Result<Self> {
        let storage = Arc::new(MemoryStorage::new());
        let ledger = Self { storage, epoch: Epoch(1), durable: false, state: Mutex::default() };
        ledger.append(&Entry::Opened(identity), &[])?;
        Ok(ledger)
    }

    /// A ledger that was taken over, with the entries that are there and are needed; the last one opened it.
    pub(crate) fn durable(storage: Arc<dyn Storage>, epoch: Epoch, lines: VecDeque<Line>) -> Self {
        let next = lines.back().map_or(0, |line| line.number + 1);
        Self { storage, epoch, durable: true, state: Mutex::new(State { next, lines, buffer: Vec::new() }) }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Where it lies.
    pub(crate) fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// Writes `entry` behind all others, with the deltas of a commit that has them inline; durable when it returns.
    ///
    /// # Errors
    /// [`Error::Fenced`] where another run has taken over.
    pub(crate) fn append(&self, entry: &Entry, deltas: &[KeeperDeltas]) -> Result<()> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.buffer.clear();
        entry::write_entry(self.epoch, entry, deltas, &mut state.buffer)?;
        let path = path(state.next);
        let done = self.storage.put(&path, &state.buffer, PutMode::IfAbsent)?;
        // Large ones are rare; their memory is not kept for the small ones.
        state.buffer.shrink_to(BUFFER_MAX);
        if done == Put::Exists {
            return Err(superseded(&path));
        }
        // A run that has slept for long may find its number free again, as its successor removes what it does not need,
        // the oldest first. So where the entry before is there, none of this number was ever there.
        if self.durable
            && state.next > 0
            && self.storage.get(&self::path(state.next - 1), Some(0..0))?.is_none()
        {
            self.storage.delete(&path)?;
            // Who takes over leaves its own entries.
            let all_gone = self.storage.list(ENTRIES, "", 1)?.is_empty();
            return Err(if all_gone { removed(&path) } else { superseded(&path) });
        }
        let line = match entry {
            Entry::Committed { batch, deltas: Deltas::Objects(objects), .. } => Line {
                number: state.next,
                committed: Some(*batch),
                objects: objects.iter().map(|object| object.path.clone()).collect(),
            },
            Entry::Committed { batch, .. } => {
                Line { number: state.next, committed: Some(*batch), objects: Vec::new() }
            }
            _ => Line { number: state.next, committed: None, objects: Vec::new() },
        };
        state.lines.push_back(line);
        state.next += 1;
        while !self.durable
            && state.lines.len() > KEPT
            && let Some(oldest) = state.lines.pop_front()
        {
            self.storage.delete(&self::path(oldest.number))?;
        }
        Ok(())
    }

    /// The number of the first entry that is needed where the deltas up to `done` are not.
    pub(crate) fn needed_from(&self, done: Option<BatchTime>) -> u64 {
        let state = self.state.lock();
        let needed = |line: &&Line| line.committed.is_some_and(|batch| Some(batch) > done);
        // The last one stays: by it a later writer sees that it was not superseded.
        let last = state.next.saturating_sub(1);
        state.lines.iter().find(needed).map_or(last, |line| line.number.min(last))
    }

    /// The objects that the entries name.
    pub(crate) fn objects(&self) -> Vec<String> {
        self.state.lock().lines.iter().flat_map(|line| line.objects.iter().cloned()).collect()
    }

    /// Forgets the entries before `from`, and gives the paths of what can be removed, the oldest first.
    pub(crate) fn cut(&self, from: u64) -> Vec<String> {
        let mut state = self.state.lock();
        let mut gone = Vec::new();
        while state.lines.front().is_some_and(|line| line.number < from)
            && let Some(line) = state.lines.pop_front()
        {
            gone.push(path(line.number));
            gone.extend(line.objects);
        }
        gone
    }

    /// The entries that are there, oldest first.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> Result<Vec<(Epoch, Entry)>> {
        let numbers: Vec<u64> = self.state.lock().lines.iter().map(|line| line.number).collect();
        let mut all = Vec::new();
        for number in numbers {
            let path = path(number);
            let bytes = self.storage.get(&path, None)?.unwrap_or_default();
            let (epoch, entry, _) = entry::read_entry(&path, &bytes)?;
            all.push((epoch, entry));
        }
        Ok(all)
    }
}

/// Memory for an entry that is kept for the next one.
const BUFFER_MAX: usize = 4 << 20;

/// The folder of the entries.
const ENTRIES: &str = "ledger/";
/// The folder of the manifests.
const MANIFESTS: &str = "manifests/";
/// The folder of deltas that members write; below it that of a run.
const DELTAS: &str = "deltas/";
/// The folder of bases; below it that of a run.
const BASES: &str = "bases/";

fn path(number: u64) -> String {
    format!("{ENTRIES}{number:020}")
}

/// The path of a manifest.
pub(crate) fn manifest_path(number: u64) -> String {
    format!("{MANIFESTS}{number:020}")
}

/// The path of one member's deltas of a batch.
pub(crate) fn delta_path(epoch: Epoch, batch: BatchTime, member: u32) -> String {
    format!("{DELTAS}{:010}/{:020}/{member}", epoch.0, batch.as_millis())
}

/// The folder of the bases that a member writes in a run.
pub(crate) fn base_folder(epoch: Epoch, member: u32) -> String {
    format!("{BASES}{:010}/{member}", epoch.0)
}

pub(crate) fn superseded(path: &str) -> Error {
    Error::Fenced(format!("another run of this job has written `{path}`; this one stops"))
}

fn removed(path: &str) -> Error {
    let source = "the checkpoint directory was removed or emptied while the job ran, so nothing that was committed is there \
                  any more; the job stops, and begins anew at its next start";
    Error::Storage {
        action: "write behind all others",
        path: path.into(),
        retry: Retry::Never,
        source: source.into(),
    }
}

#[cfg(test)]
mod tests;

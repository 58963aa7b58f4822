//! What is written down of a job, so that a restart can go on: plans, commits, and what was shown.
//!
//! A dense sequence of objects that only the first writer can create; its number is not the batch's time. A writer that
//! finds its number taken has been superseded, and stops. Without a checkpoint directory it lies in memory: the same
//! code, the same order, nothing survives.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::data::Wire;
use crate::storage::{MemoryStorage, Put, PutMode, Storage, envelope};
use crate::words::{BatchTime, Epoch, Error, Result};

/// Kind of the envelopes.
const KIND: [u8; 4] = *b"LEDG";
/// Version of what is in them.
const VERSION: u16 = 1;

/// Something that is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Entry {
    /// A run of the job begins.
    Opened { job: String, epoch: Epoch, parallelism: u32, interval_ms: u64 },
    /// The exact input of a batch: what each member offered for each input, and what the inputs made of it.
    Planned { batch: BatchTime, offers: Vec<Vec<Vec<u8>>>, inputs: Vec<PlannedInput> },
    /// A batch is done; what sinks want to be told when it is shown.
    Committed { batch: BatchTime, failed: Option<String>, outputs: Vec<SavedOutput> },
    /// What a batch wrote has been shown.
    Published { batch: BatchTime },
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

/// What is written down of a job.
#[derive(Debug)]
pub(crate) struct Ledger {
    storage: Arc<dyn Storage>,
    epoch: Epoch,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: u64,
    // Numbers of the entries of batches, oldest first.
    kept: VecDeque<u64>,
}

/// Entries that stay: those of the batch that runs and of the one before. A job whose ledger can be read after a restart
/// keeps more.
const KEPT: usize = 8;

impl Ledger {
    /// A ledger that ends with the process.
    pub(crate) fn in_memory(job: &str, parallelism: usize, interval_ms: u64) -> Result<Self> {
        let state = State { next: 0, kept: VecDeque::new() };
        let ledger =
            Self { storage: Arc::new(MemoryStorage::new()), epoch: Epoch(1), state: Mutex::new(state) };
        ledger.append(&Entry::Opened {
            job: job.into(),
            epoch: ledger.epoch,
            parallelism: parallelism as u32,
            interval_ms,
        })?;
        Ok(ledger)
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Writes `entry` behind all others; durable when it returns.
    pub(crate) fn append(&self, entry: &Entry) -> Result<()> {
        let mut payload = Vec::new();
        (self.epoch, entry.clone()).encode(&mut payload)?;
        let mut state = self.state.lock();
        let path = path(state.next);
        match self.storage.put(&path, &envelope::seal(KIND, VERSION, &payload), PutMode::IfAbsent)? {
            Put::Done => {}
            Put::Exists => {
                return Err(Error::Fenced(format!(
                    "another run of this job has written `{path}`; this one stops"
                )));
            }
        }
        let number = state.next;
        state.kept.push_back(number);
        state.next += 1;
        while state.kept.len() > KEPT
            && let Some(oldest) = state.kept.pop_front()
        {
            self.storage.delete(&self::path(oldest))?;
        }
        Ok(())
    }

    /// The entries that are kept, oldest first.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> Result<Vec<(Epoch, Entry)>> {
        let numbers = self.state.lock().kept.clone();
        let mut all = Vec::new();
        for number in numbers {
            let path = path(number);
            let bytes = self.storage.get(&path, None)?.unwrap_or_default();
            let (_, mut payload) = envelope::open(KIND, &path, &bytes)?;
            all.push(<(Epoch, Entry)>::decode(&mut payload)?);
        }
        Ok(all)
    }
}

fn path(number: u64) -> String {
    format!("ledger/{number:020}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_in_order_and_the_oldest_go() {
        let ledger = Ledger::in_memory("job", 2, 1000).unwrap();
        let batch = |n: u64| Entry::Published { batch: BatchTime::from_millis(n) };
        (1..=20).for_each(|n| ledger.append(&batch(n)).unwrap());

        let entries: Vec<Entry> = ledger.entries().unwrap().into_iter().map(|(_, entry)| entry).collect();

        assert_eq!(entries, (13..=20).map(batch).collect::<Vec<_>>());
    }

    #[test]
    fn a_writer_that_was_superseded_stops() {
        let ledger = Ledger::in_memory("job", 2, 1000).unwrap();
        let other = ledger.storage.put(&path(1), b"another run", PutMode::IfAbsent).unwrap();
        assert_eq!(other, Put::Done);

        let error = ledger.append(&Entry::Published { batch: BatchTime::from_millis(1) }).unwrap_err();

        assert!(matches!(error, Error::Fenced(_)), "{error}");
    }
}

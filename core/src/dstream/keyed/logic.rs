//! What an operator does with records and states.

use super::states::{BLOCK, States};
use crate::data::{Data, Key, KeyGroup, Wire};
use crate::rdd::{Grouped, IncomingByGroup};
use crate::runtime::TaskContext;
use crate::state::typed::{Due, Slot};
use crate::words::{BatchTime, Result};

/// What an operator does with the records of a batch and the states of their keys, one partition at a time.
///
/// It is run as a task: in each batch, also in one without records, once for each partition. A try that fails leaves
/// nothing behind, so it may fail at any place. What it gives must be a function of the records, the states and `now`
/// alone.
pub(crate) trait Logic<K: Key, V: Wire, S: Wire>: Send + Sync + 'static {
    /// The records of the output.
    type Out: Data;

    /// Takes in the records of one partition, in the order of (map partition, record), and puts what they make into `out`.
    ///
    /// # Errors
    /// A user function's; the task is tried again then.
    fn run(
        &self,
        now: &Now<'_>,
        records: Records<K, V>,
        states: &mut States<'_, K, S>,
        out: &mut Vec<Self::Out>,
    ) -> Result<()>;

    /// Whether a job without a checkpoint directory is refused: where what is forgotten in a restart is more than a window.
    fn must_checkpoint(&self) -> bool {
        true
    }

    /// When a state is due that the user gave for the beginning, of a job whose first batch is that of `first`.
    fn initial_due(&self, _first: BatchTime) -> Due {
        Due::NEVER
    }
}

/// The batch that is computed, and the task that computes it.
pub(crate) struct Now<'a> {
    pub(crate) batch: BatchTime,
    pub(crate) task: &'a TaskContext,
}

impl Now<'_> {
    /// The time of the batch in milliseconds.
    pub(crate) fn millis(&self) -> u64 {
        self.batch.as_millis()
    }
}

/// The records of one partition.
pub(crate) enum Records<K, V> {
    /// As they have arrived.
    Arrived(IncomingByGroup<K, V>),
    /// Looked at before.
    Listed(Vec<Grouped<K, V>>),
}

impl<K: Key, V: Wire> Records<K, V> {
    /// None.
    pub(crate) fn none() -> Self {
        Self::Listed(Vec::new())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Arrived(incoming) => incoming.len(),
            Self::Listed(list) => list.len(),
        }
    }

    /// Has the states of all keys looked up at once.
    pub(super) fn fetch<S: Wire>(self, states: &mut States<'_, K, S>) -> Result<Self> {
        let list = match self {
            Self::Arrived(incoming) => incoming.into_records()?,
            Self::Listed(list) => list,
        };
        states.fetch(&list)?;
        Ok(Self::Listed(list))
    }

    /// Calls `each` with the group, the key and the value of each.
    ///
    /// # Errors
    /// The first of `each`; a record of another member that cannot be read.
    #[inline]
    pub(crate) fn for_each(self, mut each: impl FnMut(KeyGroup, K, V) -> Result<()>) -> Result<()> {
        let mut each = |Grouped { group, key, value }| each(group, key, value);
        match self {
            Self::Arrived(incoming) => incoming.for_each(|_, record| each(record)),
            Self::Listed(list) => list.into_iter().try_for_each(each),
        }
    }

    /// Looks the key of each record up, and calls `each` with its slot, the key and the value.
    ///
    /// Many keys are looked up before the first of them is used: each look waits for memory, and a processor waits for
    /// many at once only where nothing else stands between them.
    ///
    /// # Errors
    /// The first of `each`; a record of another member that cannot be read.
    #[inline]
    pub(crate) fn for_each_found<'a, S: Wire>(
        self,
        states: &mut States<'a, K, S>,
        mut each: impl FnMut(&mut States<'a, K, S>, Slot, K, V) -> Result<()>,
    ) -> Result<()> {
        let (mut block, mut found) = (Vec::with_capacity(BLOCK), Vec::with_capacity(BLOCK));
        let mut empty = |block: &mut Vec<Grouped<K, V>>, states: &mut States<'a, K, S>| -> Result<()> {
            states.look_up(block, &mut found);
            for (Grouped { group, key, value }, found) in block.drain(..).zip(found.drain(..)) {
                let slot = states.find_at(found, group, &key)?;
                each(states, slot, key, value)?;
            }
            Ok(())
        };
        let mut add = |record| {
            block.push(record);
            if block.len() == BLOCK { empty(&mut block, states) } else { Ok(()) }
        };
        match self {
            Self::Arrived(incoming) => incoming.for_each(|_, record| add(record))?,
            Self::Listed(list) => list.into_iter().try_for_each(&mut add)?,
        }
        empty(&mut block, states)
    }
}

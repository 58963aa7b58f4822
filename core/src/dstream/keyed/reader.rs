//! States that are looked up from outside.

use std::any::{Any, type_name};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::base::Opened;
use super::stored::the_group;
use crate::data::{Key, KeyGroup, Wire};
use crate::rdd::partition_of;
use crate::state::typed::{Group, Part};
use crate::state::{Changes, Codec, Keys, ScanCursor, StateView, Values};
use crate::words::{BatchTime, Error, Result};

/// What `Keeper::query` gives: a [`StateReader`] of some types, and their names.
pub(crate) struct Query {
    /// Key and state.
    pub(crate) types: [&'static str; 2],
    /// The `StateReader`.
    pub(crate) reader: Box<dyn Any + Send + Sync>,
}

/// Looks up the states of an operator, from any thread, while the job runs.
///
/// Each answer is of one committed batch, whatever runs meanwhile.
pub struct StateReader<K, S>(Arc<dyn Readable<K, S>>);

impl<K, S> Clone for StateReader<K, S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, S> fmt::Debug for StateReader<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateReader").finish_non_exhaustive()
    }
}

impl<K: Key, S: Wire> StateReader<K, S> {
    pub(super) fn erased(opened: Arc<Opened<K, S>>) -> Query {
        let types = [type_name::<K>(), type_name::<S>()];
        Query { types, reader: Box::new(Self(Arc::new(Read { opened }))) }
    }

    /// The states of `keys`, in their order, all as of one committed batch; `None` where a key has no state.
    ///
    /// # Errors
    /// [`Error::State`](crate::Error::State) before the first batch is committed, and for a key whose state another member
    /// has.
    pub fn get(&self, keys: &[K]) -> Result<(BatchTime, Vec<Option<S>>)> {
        self.0.get(keys)
    }

    /// All states that this member has, as of one committed batch, a few at a time, while batches go on.
    ///
    /// What is still to be read is held as it is: a batch that changes it copies it, one key group at a time.
    ///
    /// # Errors
    /// [`Error::State`](crate::Error::State) before the first batch is committed.
    pub fn scan(&self) -> Result<StateScan<K, S>> {
        self.0.scan()
    }
}

/// All states as of one batch, a few at a time.
pub struct StateScan<K, S> {
    batch: BatchTime,
    chunks: Box<dyn FnMut() -> Result<Option<Vec<(K, S)>>> + Send>,
}

impl<K, S> fmt::Debug for StateScan<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateScan").field("batch", &self.batch).finish_non_exhaustive()
    }
}

impl<K, S> StateScan<K, S> {
    /// The batch that the states are of.
    pub fn batch(&self) -> BatchTime {
        self.batch
    }
}

/// Some hundred pairs at a time, in no order; each key once.
impl<K, S> Iterator for StateScan<K, S> {
    type Item = Result<Vec<(K, S)>>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.chunks)().transpose()
    }
}

trait Readable<K, S>: Send + Sync {
    fn get(&self, keys: &[K]) -> Result<(BatchTime, Vec<Option<S>>)>;
    fn scan(&self) -> Result<StateScan<K, S>>;
}

struct Read<K, S> {
    opened: Arc<Opened<K, S>>,
}

/// Pairs in a chunk of a scan.
const CHUNK: usize = 1024;

impl<K: Key, S: Wire> Read<K, S> {
    fn committed(&self, committed: Option<BatchTime>) -> Result<BatchTime> {
        committed.ok_or_else(|| {
            Error::State(format!(
                "state `{}`: no batch is committed yet, so there is nothing to read",
                self.opened.uid
            ))
        })
    }

    fn elsewhere(&self, index: usize) -> Error {
        Error::State(format!(
            "state `{}`: key number {index} of those that were asked for belongs to another member: ask there",
            self.opened.uid
        ))
    }

    fn get_stored(&self, view: &dyn StateView, keys: &[K]) -> Result<(BatchTime, Vec<Option<S>>)> {
        let (mut wanted, mut values) = (Keys::new(), Values::new());
        for (index, key) in keys.iter().enumerate() {
            let group = wanted.push(key)?;
            if !view.groups().contains(&group.index()) {
                return Err(self.elsewhere(index));
            }
        }
        view.read(&wanted, &mut values)?;
        let state = |value: Option<&[u8]>| {
            value.map(|value| self.opened.codec.decode(value).map(|(state, _)| state)).transpose()
        };
        Ok((self.committed(view.applied()?)?, values.iter().map(state).collect::<Result<_>>()?))
    }
}

impl<K: Key, S: Wire> Readable<K, S> for Read<K, S> {
    fn get(&self, keys: &[K]) -> Result<(BatchTime, Vec<Option<S>>)> {
        if let Some(store) = &self.opened.store {
            return self.get_stored(&*store.snapshot()?, keys);
        }
        let groups: Vec<KeyGroup> = keys.iter().map(KeyGroup::of).collect::<Result<_>>()?;
        let look = |parts: &[Option<Part<K, S>>]| {
            let mut states = Vec::with_capacity(keys.len());
            for (index, (key, group)) in keys.iter().zip(&groups).enumerate() {
                let part = parts.get(partition_of(group.index(), parts.len())).and_then(Option::as_ref);
                let Some(table) = part.and_then(|part| part.group(group.index())) else {
                    return Err(self.elsewhere(index));
                };
                states.push(table.get(key).cloned());
            }
            Ok(states)
        };
        // Looked up before the tables can change: sharing them would make the next commit copy them.
        let (committed, states) =
            self.opened.base.wait(|base| base.parts.as_deref().map(|parts| (base.committed, look(parts))));
        Ok((self.committed(committed)?, states?))
    }

    fn scan(&self) -> Result<StateScan<K, S>> {
        if let Some(store) = &self.opened.store {
            let view = store.snapshot()?;
            let batch = self.committed(view.applied()?)?;
            let chunks = Box::new(stored_chunks(view, self.opened.codec.clone()));
            return Ok(StateScan { batch, chunks });
        }
        let (committed, parts) = self.opened.parts();
        let batch = self.committed(committed)?;
        let tables: VecDeque<_> = parts
            .iter()
            .flatten()
            .flat_map(|part| part.groups().map(|(_, table)| Arc::clone(table)))
            .collect();
        Ok(StateScan { batch, chunks: Box::new(table_chunks(tables)) })
    }
}

fn table_chunks<K: Key, S: Wire>(
    mut tables: VecDeque<Arc<Group<K, S>>>,
) -> impl FnMut() -> Result<Option<Vec<(K, S)>>> + Send {
    let mut from = 0;
    move || {
        while let Some(table) = tables.front() {
            let until = table.len().min(from + CHUNK);
            if let Some(pairs) = table.pairs().get(from..until).filter(|pairs| !pairs.is_empty()) {
                from = until;
                return Ok(Some(pairs.to_vec()));
            }
            // Given back as soon as it is read.
            tables.pop_front();
            from = 0;
        }
        Ok(None)
    }
}

fn stored_chunks<K: Key, S: Wire>(
    view: Arc<dyn StateView>,
    codec: Codec<S>,
) -> impl FnMut() -> Result<Option<Vec<(K, S)>>> + Send {
    let (mut groups, mut cursor, mut entries) = (view.groups(), ScanCursor::new(), Changes::new());
    let mut group = groups.next();
    move || {
        while let Some(number) = group {
            if !view.scan(the_group(number)?, &mut cursor, &mut entries)? {
                (group, cursor) = (groups.next(), ScanCursor::new());
                continue;
            }
            let pair = |entry: crate::state::Change<'_>| {
                let (state, _) = codec.decode(entry.value.unwrap_or_default())?;
                Ok((K::decode(&mut &*entry.key)?, state))
            };
            return entries.iter().map(pair).collect::<Result<_>>().map(Some);
        }
        Ok(None)
    }
}

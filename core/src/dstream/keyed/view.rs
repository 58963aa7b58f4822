//! All states as the records of a batch: a view, good until the next batch is committed.

use std::sync::{Arc, Weak};

use super::logic::Logic;
use super::operator::Keyed;
use super::output::Output;
use super::states::Changed;
use super::stored::the_group;
use crate::data::{Chunk, Chunks, Kept, Key, Wire};
use crate::rdd::{Job, Node, Part as Opened, spread};
use crate::runtime::TaskContext;
use crate::state::typed::{Change, InOrder, Part};
use crate::state::{Changes, Codec, ScanCursor, StateStore};
use crate::words::{BatchTime, Error, Result};

/// Pairs in a chunk: some kilobytes, which stay near until they are used.
const CHUNK: usize = 512;
/// So many pairs in a row that the batch has not changed are lent; fewer are copied to the others.
const LENT_MIN: usize = 32;

/// The states as of a batch.
pub(super) struct StatesNode<K: Key, V: Wire, S: Wire, L: Logic<K, V, S>> {
    pub(super) of: Weak<Keyed<K, V, S, L>>,
    pub(super) partitions: usize,
    pub(super) time: BatchTime,
    /// What computes the batch; none where it was committed before the view was made.
    pub(super) output: Option<Arc<Output<K, V, S, L>>>,
}

impl<K: Key, V: Wire, S: Wire, L: Logic<K, V, S>> StatesNode<K, V, S, L> {
    fn keyed(&self) -> Result<Arc<Keyed<K, V, S, L>>> {
        self.of.upgrade().ok_or_else(|| self.is_over("the job has ended"))
    }

    fn is_over(&self, why: &str) -> Error {
        Error::State(format!(
            "the states as of the batch of {} are there no more, since {why}: read them in their batch, `persist` or \
             window their stream, or set `remember`",
            self.time
        ))
    }
}

impl<K: Key, V: Wire, S: Wire, L: Logic<K, V, S>> Node<(K, S)> for StatesNode<K, V, S, L> {
    fn partitions(&self) -> usize {
        self.partitions
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        spread(partition, self.partitions, members)
    }

    fn keyed(&self) -> bool {
        // Placed by group: the same as by hash where each partition has as many groups as the next.
        crate::rdd::GROUPS.is_multiple_of(self.partitions)
    }

    fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        match &self.output {
            Some(output) => output.prepare(job),
            None => Ok(()),
        }
    }

    fn open(&self, partition: usize, _task: &TaskContext) -> Result<Opened<(K, S)>> {
        let copied = self.output.as_ref().and_then(|output| output.copied(partition));
        if let Some(records) = copied {
            return Ok(Box::new(Kept { records, at: 0 }));
        }
        let states = self.keyed()?.states_of(self.time, partition)?;
        Ok(states.ok_or_else(|| self.is_over("a later one is committed"))?.read())
    }
}

/// The states of one partition as of a batch: those that are committed, and what the batch has changed.
pub(super) struct StatesOf<K, S> {
    pub(super) part: Part<K, S>,
    pub(super) changed: Option<Arc<Changed<K, S>>>,
    pub(super) store: Option<Arc<dyn StateStore>>,
    pub(super) codec: Codec<S>,
}

impl<K: Key, S: Wire> StatesOf<K, S> {
    /// Reads them all.
    pub(super) fn read(self) -> Opened<(K, S)> {
        match self.store.clone() {
            None => Box::new(Tables { states: self, touched: None, at: (0, 0), own: 0, chunk: Vec::new() }),
            Some(store) => {
                let groups = self.part.groups().map(|(group, _)| group).collect();
                Box::new(Stored { states: self, store, groups, cursor: None, own: 0, chunk: Vec::new() })
            }
        }
    }

    /// Fills `chunk` with pairs that are in no table, from the slot `from` on; the slot to go on from.
    fn own(&self, mut from: usize, chunk: &mut Vec<(K, S)>) -> usize {
        let Some(changed) = &self.changed else { return from };
        let touched = changed.overlay.touched();
        while chunk.len() < CHUNK
            && let Some(one) = touched.get(from)
        {
            if let (Change::Put(state, _), Some(own)) =
                (&one.change, one.own().and_then(|own| changed.overlay.own(own)))
            {
                chunk.push((own.key.clone(), state.clone()));
            }
            from += 1;
        }
        from
    }
}

/// Reads the states from their tables.
struct Tables<K, S> {
    states: StatesOf<K, S>,
    // Put in order by the first read: who only counts needs none.
    touched: Option<InOrder>,
    // The table that is read, by its number here, and the place to go on from.
    at: (usize, usize),
    own: usize,
    chunk: Vec<(K, S)>,
}

impl<K: Key, S: Wire> Chunks<(K, S)> for Tables<K, S> {
    fn next(&mut self) -> Result<Option<Chunk<'_, (K, S)>>> {
        let Self { states, touched, at: (table, from), own, chunk } = self;
        chunk.clear();
        let touched = touched.get_or_insert_with(|| {
            states.changed.as_ref().map(|changed| changed.overlay.in_order()).unwrap_or_default()
        });
        while let Some((group, of)) = states.part.nth(*table) {
            let pairs = of.pairs();
            while *from < pairs.len() && chunk.len() < CHUNK {
                let next = touched.peek(group);
                let same = *from..next.map_or(pairs.len(), |(place, _)| place);
                if same.len() >= LENT_MIN {
                    // Read where they lie. What was copied before comes first.
                    if chunk.is_empty() {
                        let until = same.end.min(*from + CHUNK);
                        let lent = pairs.get(std::mem::replace(from, until)..until).unwrap_or_default();
                        return Ok(Some(Chunk::Ref(lent)));
                    }
                    return Ok(Some(Chunk::Own(chunk)));
                }
                *from = same.end;
                chunk.extend_from_slice(pairs.get(same).unwrap_or_default());
                let Some((place, slot)) = next else { continue };
                let Some((key, before)) = pairs.get(place) else { break };
                touched.advance();
                *from += 1;
                let change = states.changed.as_ref().and_then(|of| of.overlay.get(slot)).map(|of| &of.change);
                match change {
                    None | Some(Change::Nothing) => chunk.push((key.clone(), before.clone())),
                    Some(Change::Put(state, _)) => chunk.push((key.clone(), state.clone())),
                    Some(Change::Removed) => {}
                }
            }
            if !chunk.is_empty() {
                return Ok(Some(Chunk::Own(chunk)));
            }
            (*table, *from) = (*table + 1, 0);
        }
        *own = states.own(*own, chunk);
        Ok((!chunk.is_empty()).then_some(Chunk::Own(chunk)))
    }

    fn count_rest(&mut self) -> Result<u64> {
        if self.at == (0, 0) && self.own == 0 {
            let grown = self.states.changed.as_ref().map_or(0, |changed| changed.grown);
            return Ok((self.states.part.len() as u64).saturating_add_signed(grown as i64));
        }
        let mut count = 0;
        while let Some(chunk) = self.next()? {
            count += chunk.as_slice().len() as u64;
        }
        Ok(count)
    }
}

/// Reads the states from their store.
struct Stored<K, S> {
    states: StatesOf<K, S>,
    store: Arc<dyn StateStore>,
    // Those that were not begun yet, and where the one before them goes on.
    groups: std::collections::VecDeque<u8>,
    cursor: Option<(u8, ScanCursor)>,
    own: usize,
    chunk: Vec<(K, S)>,
}

impl<K: Key, S: Wire> Chunks<(K, S)> for Stored<K, S> {
    fn next(&mut self) -> Result<Option<Chunk<'_, (K, S)>>> {
        let Self { states, store, groups, cursor, own, chunk } = self;
        chunk.clear();
        let Some((group, at)) = cursor else {
            *cursor = groups.pop_front().map(|group| (group, ScanCursor::new()));
            if cursor.is_some() {
                return Ok(Some(Chunk::Own(chunk)));
            }
            *own = states.own(*own, chunk);
            return Ok((!chunk.is_empty()).then_some(Chunk::Own(chunk)));
        };
        let mut entries = Changes::new();
        if !store.scan(the_group(*group)?, at, &mut entries)? {
            *cursor = None;
            return Ok(Some(Chunk::Own(chunk)));
        }
        let changed = states.changed.as_deref();
        for entry in entries.iter() {
            let key = K::decode(&mut &*entry.key)?;
            let touched = changed.and_then(|changed| changed.overlay.get(changed.overlay.find_own(&key)?));
            // What the batch has set comes with its own keys.
            if touched.is_none_or(|touched| matches!(touched.change, Change::Nothing)) {
                let (state, _) = states.codec.decode(entry.value.unwrap_or_default())?;
                chunk.push((key, state));
            }
        }
        Ok(Some(Chunk::Own(chunk)))
    }
}

/// All pairs of a view, copied.
pub(super) fn read_all<K: Key, S: Wire>(mut view: Opened<(K, S)>, task: &TaskContext) -> Result<Vec<(K, S)>> {
    let mut all = Vec::new();
    while let Some(chunk) = view.next()? {
        task.check()?;
        chunk.append_to(&mut all);
    }
    Ok(all)
}

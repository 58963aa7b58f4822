//! The states of one operator on this member, between batches and while one runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::super::keeper::Opening;
use super::save::Saving;
use super::states::Changed;
use crate::data::{Key, Wire};
use crate::rdd::{Engine, GROUPS, groups_of, spread};
use crate::runtime::Monitor;
use crate::state::typed::{Overlay, Part};
use crate::state::{Changes, Codec, Delta, StateStore};
use crate::words::{BatchTime, Result};

/// What there is once the job has started.
pub(super) struct Opened<K, S> {
    pub(super) engine: Arc<Engine>,
    /// Names the operator in its job.
    pub(super) uid: String,
    durable: bool,
    partitions: usize,
    pub(super) codec: Codec<S>,
    pub(super) base: Monitor<Base<K, S>>,
    /// Where the states are, if they are not in tables.
    pub(super) store: Option<Arc<dyn StateStore>>,
    /// What is known for the next bases.
    pub(super) saving: Saving,
    // Overlays of batches before: memory that need not be asked for again.
    spare: Mutex<Vec<Overlay<K, S>>>,
    // Bytes: what the next batch's tasks will need to write down what they change.
    room: AtomicUsize,
    // What the batch that runs has changed.
    pending: Mutex<Option<Pending<K, S>>>,
    // Whether no batch was committed yet, in this run and in those before.
    is_new: AtomicBool,
}

/// All states of this member, as of a batch.
pub(super) struct Base<K, S> {
    pub(super) committed: Option<BatchTime>,
    /// By partition, those of other members missing; none at all while a commit is at work.
    pub(super) parts: Option<Parts<K, S>>,
}

/// The states by partition; none for those of other members.
pub(super) type Parts<K, S> = Vec<Option<Part<K, S>>>;

struct Pending<K, S> {
    batch: BatchTime,
    parts: Vec<PendingPart<K, S>>,
}

/// What a batch has changed in one partition.
struct PendingPart<K, S> {
    partition: usize,
    changed: Arc<Changed<K, S>>,
    // The changes as they are written down; none where nobody wants them.
    written: Changes,
}

impl<K: Key, S: Wire> Opened<K, S> {
    /// The states that the bases have; without bases none.
    pub(super) fn new(
        opening: &Opening<'_>,
        chosen: Option<u32>,
        slot_millis: u64,
        codec: &Codec<S>,
    ) -> Result<Self> {
        // What the ledger says stands in the engine by now, so a default is asked for here.
        let partitions = chosen.map_or(opening.engine.parallelism(), |count| count as usize).clamp(1, GROUPS);
        let (me, members) = (opening.engine.me(), opening.engine.members());
        let part = |partition| {
            let mine = spread(partition, partitions, members) == me;
            mine.then(|| Part::new(groups_of(partition, partitions), slot_millis))
        };
        let mut parts: Parts<K, S> = (0..partitions).map(part).collect();
        let store = super::load::load(opening, codec, &mut parts)?;
        let base = Base { committed: opening.committed, parts: Some(parts) };
        Ok(Self {
            engine: Arc::clone(opening.engine),
            uid: opening.uid.into(),
            durable: opening.durable,
            partitions,
            codec: codec.clone(),
            base: Monitor::new(&opening.engine.runtime, base),
            store,
            saving: Saving::default(),
            spare: Mutex::default(),
            room: AtomicUsize::new(0),
            pending: Mutex::new(None),
            is_new: AtomicBool::new(opening.found.is_none()),
        })
    }

    /// In how many partitions the states are kept.
    pub(super) fn partitions(&self) -> usize {
        self.partitions
    }

    /// Whether changes are written down: for the ledger, or for the store.
    pub(super) fn writes(&self) -> bool {
        self.durable || self.store.is_some()
    }

    /// What a task of the last batch has written down, and a little more: the next one will need about as much.
    pub(super) fn room(&self) -> usize {
        self.room.load(Ordering::Relaxed)
    }

    /// The last batch whose changes are states.
    pub(super) fn committed(&self) -> Option<BatchTime> {
        self.base.read(|base| base.committed)
    }

    /// Whether what the user gave for the beginning is still to be taken in.
    pub(super) fn wants_initial(&self) -> bool {
        self.is_new.load(Ordering::Relaxed)
    }

    /// The states as they are, shared; waits for a commit that is at work.
    pub(super) fn parts(&self) -> (Option<BatchTime>, Parts<K, S>) {
        self.base.wait(|base| base.parts.clone().map(|parts| (base.committed, parts)))
    }

    /// An overlay for a try.
    pub(super) fn overlay(&self, turn: u32) -> Overlay<K, S> {
        let mut overlay = self.spare.lock().pop().unwrap_or_default();
        overlay.begin(turn);
        overlay
    }

    /// Notes what a batch has changed; nothing of it counts before the commit.
    pub(super) fn set_pending(&self, batch: BatchTime, parts: Vec<(usize, Changed<K, S>)>) {
        let mut most = 0;
        let part = |(partition, mut changed): (usize, Changed<K, S>)| {
            let written = std::mem::take(&mut changed.written);
            most = most.max(written.as_bytes().len());
            PendingPart { partition, changed: Arc::new(changed), written }
        };
        let parts = parts.into_iter().map(part).collect();
        self.room.store(most + most / 8, Ordering::Relaxed);
        *self.pending.lock() = Some(Pending { batch, parts });
    }

    /// What a batch has changed in one partition; `None` where it is not the one that runs.
    pub(super) fn pending(&self, batch: BatchTime, partition: usize) -> Option<Arc<Changed<K, S>>> {
        let pending = self.pending.lock();
        let of_batch = pending.as_ref().filter(|pending| pending.batch == batch)?;
        let part = of_batch.parts.iter().find(|part| part.partition == partition);
        part.map(|part| Arc::clone(&part.changed))
    }

    /// What a batch has changed, as it is written down; where nobody else needs the bytes they are given away, once.
    pub(super) fn written(&self, batch: BatchTime) -> Vec<Delta> {
        let mut pending = self.pending.lock();
        let Some(pending) = pending.as_mut().filter(|pending| pending.batch == batch) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for part in &mut pending.parts {
            if part.written.is_empty() {
                continue;
            }
            self.saving.note(&part.written);
            let bytes = match &self.store {
                Some(_) => part.written.as_bytes().to_vec(),
                None => std::mem::take(&mut part.written).into_bytes(),
            };
            all.push(Delta { partition: part.partition as u32, bytes });
        }
        all
    }

    /// What a batch has changed is forgotten.
    pub(super) fn abandon(&self, batch: BatchTime) {
        self.pending.lock().take_if(|pending| pending.batch == batch);
    }

    /// What a batch has changed is the state from now on.
    pub(super) fn commit(&self, batch: BatchTime) -> Result<()> {
        let pending = self.pending.lock().take_if(|pending| pending.batch == batch);
        let Some(pending) = pending else { return Ok(()) };
        self.is_new.store(false, Ordering::Relaxed);
        let mut changes = Vec::with_capacity(pending.parts.len());
        let mut written = Vec::new();
        for part in pending.parts {
            changes.push((part.partition, Arc::unwrap_or_clone(part.changed)));
            written.push(part.written);
        }
        if let Some(store) = &self.store {
            store.apply(batch, written)?;
        }
        // Taken out, so that no lock is held while tasks run; who wants to read waits until they are back.
        let mut parts = self.base.wait(|base| base.parts.take());
        let mut work = Vec::new();
        for (partition, changed) in changes {
            if let Some(part) = parts.get_mut(partition).and_then(Option::take) {
                work.push((partition, Mutex::new((part, Some(changed)))));
            }
        }
        let in_tables = self.store.is_none();
        self.engine.runtime.run_tasks(work.len(), &|index| {
            let Some((_, cell)) = work.get(index) else { return };
            let (part, changed) = &mut *cell.lock();
            if let Some(changed) = changed.take() {
                let overlay = take_in(part, changed, in_tables);
                self.spare.lock().extend(overlay);
            }
        });
        for (partition, cell) in work {
            parts[partition] = Some(cell.into_inner().0);
        }
        self.base.change(|base| (base.parts, base.committed) = (Some(parts), Some(batch)));
        Ok(())
    }
}

/// Takes in what a batch has changed, and gives the overlay's memory back if it is worth it.
fn take_in<K: Key, S: Wire>(
    part: &mut Part<K, S>,
    mut changed: Changed<K, S>,
    in_tables: bool,
) -> Option<Overlay<K, S>> {
    let handy = changed.overlay.is_handy();
    if in_tables {
        part.take_in(&mut changed.overlay);
    }
    if let Some(until) = changed.opened {
        part.dues_mut().forget_until(until);
    }
    if !changed.dues.is_empty() {
        part.dues_mut().append(changed.dues);
    }
    handy.then_some(changed.overlay)
}

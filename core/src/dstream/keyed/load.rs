//! Where states begin: from bases, and the batches behind them.

use std::sync::Arc;

use super::super::keeper::Opening;
use super::base::{Opened, Parts};
use super::stored::{scan_group, the_group};
use crate::data::{Key, Wire};
use crate::rdd::partition_of;
use crate::state::typed::Part;
use crate::state::{BaseFrom, Change, Changes, Codec, Delta, StateOpening, StateStore, read_base};
use crate::words::{BatchTime, Result};

/// Fills the tables from the bases, or opens the store and fills the index of times.
pub(super) fn load<K: Key, S: Wire>(
    opening: &Opening<'_>,
    codec: &Codec<S>,
    parts: &mut Parts<K, S>,
) -> Result<Option<Arc<dyn StateStore>>> {
    let mine: Vec<u8> =
        parts.iter().flatten().flat_map(|part| part.groups().map(|(group, _)| group)).collect();
    // Neighbouring partitions belong to one member, so its groups are a range.
    let groups = match (mine.first(), mine.last()) {
        (Some(first), Some(last)) => *first..*last + 1,
        _ => 0..0,
    };
    if opening.backend.in_memory() {
        let from = BaseFrom { uid: opening.uid, storage: &**opening.storage, groups };
        for base in opening.bases {
            read_base(base, &from, |entries| take_in(parts, &entries, codec))?;
        }
        return Ok(None);
    }
    let from = StateOpening::new(opening.ledger, opening.uid, groups, &**opening.storage);
    let store = opening.backend.open(&from.committed(opening.committed).bases(opening.bases))?;
    for part in parts.iter_mut().flatten() {
        let mine: Vec<u8> = part.groups().map(|(group, _)| group).collect();
        for group in mine {
            let number = the_group(group)?;
            scan_group(&*store, number, |key, value| {
                part.dues_mut().add(Codec::<S>::decode_due(value)?, number, key);
                Ok(())
            })?;
        }
    }
    Ok(Some(store))
}

/// Takes changes of keys of this member in.
fn take_in<K: Key, S: Wire>(parts: &mut Parts<K, S>, changes: &Changes, codec: &Codec<S>) -> Result<()> {
    let partitions = parts.len();
    for change in changes.iter() {
        let partition = partition_of(change.group.index(), partitions);
        if let Some(Some(part)) = parts.get_mut(partition) {
            take_in_one(part, change, codec)?;
        }
    }
    Ok(())
}

fn take_in_one<K: Key, S: Wire>(part: &mut Part<K, S>, change: Change<'_>, codec: &Codec<S>) -> Result<()> {
    let Change { group, key: mut bytes, value } = change;
    let key = K::decode(&mut bytes)?;
    let Some(table) = part.group_mut(group.index()) else { return Ok(()) };
    let Some(value) = value else {
        table.remove(&key);
        return Ok(());
    };
    let (state, due) = codec.decode(value)?;
    let before = table.put(key, state, due);
    if !part.dues().covers(before, due) {
        part.dues_mut().add(due, group, change.key);
    }
    Ok(())
}

impl<K: Key, S: Wire> Opened<K, S> {
    /// Takes in what a committed batch added.
    pub(super) fn replay(&self, batch: BatchTime, deltas: &[Delta]) -> Result<()> {
        let path = format!("what the batch of {batch} added to the state `{}`", self.uid);
        let written = |delta: &Delta| Changes::from_bytes(delta.bytes.clone(), &path);
        let changes: Vec<Changes> = deltas.iter().map(written).collect::<Result<_>>()?;
        let mut parts = self.base.wait(|base| base.parts.take());
        let taken = match &self.store {
            None => changes.iter().try_for_each(|changes| take_in(&mut parts, changes, &self.codec)),
            Some(store) => Self::replay_into(store, batch, &changes, &mut parts),
        };
        self.base
            .change(|base| (base.parts, base.committed) = (Some(parts), base.committed.max(Some(batch))));
        taken
    }

    fn replay_into(
        store: &Arc<dyn StateStore>,
        batch: BatchTime,
        changes: &[Changes],
        parts: &mut Parts<K, S>,
    ) -> Result<()> {
        let (partitions, mut mine) = (parts.len(), Changes::new());
        for change in changes.iter().flat_map(Changes::iter) {
            let partition = partition_of(change.group.index(), partitions);
            let Some(Some(part)) = parts.get_mut(partition) else { continue };
            mine.push(change);
            if let Some(value) = change.value {
                let due = Codec::<S>::decode_due(value)?;
                part.dues_mut().add(due, change.group, change.key);
            }
        }
        store.apply(batch, vec![mine])
    }
}

//! Bases: whole key groups, written in the background, a few at a time.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::keeper::{BaseJob, BaseWanted};
use super::base::Opened;
use super::stored::the_group;
use crate::data::{Key, Wire};
use crate::state::typed::{Group, Part};
use crate::state::{Changes, Codec, StateBase, write_groups};
use crate::storage::Storage;
use crate::words::{BatchTime, Result};

/// What is known for the next bases.
#[derive(Debug, Default)]
pub(super) struct Saving {
    // Of all that was written down, for the length of an entry.
    bytes: AtomicU64,
    entries: AtomicU64,
    // The group, among those of this member, with which the next bases begin.
    next: AtomicU64,
    // For a store, whose groups are saved together: how many bytes may be written by now.
    saved_up: AtomicU64,
}

/// What an entry takes where nothing was written down yet.
const ENTRY_BYTES: u64 = 32;

/// An object of a base that has so much takes no further group: each is a few syncs, and all of it is in memory until then.
const OBJECT_BYTES: usize = 4 << 20;

impl Saving {
    /// Learns how long entries are.
    pub(super) fn note(&self, written: &Changes) {
        self.bytes.fetch_add(written.as_bytes().len() as u64, Ordering::Relaxed);
        self.entries.fetch_add(written.len() as u64, Ordering::Relaxed);
    }

    fn entry_bytes(&self) -> u64 {
        let (bytes, entries) = (self.bytes.load(Ordering::Relaxed), self.entries.load(Ordering::Relaxed));
        bytes.checked_div(entries).unwrap_or(ENTRY_BYTES).max(1)
    }
}

/// A group's table, as of the batch of the base.
type Shared<K, S> = (u8, Arc<Group<K, S>>);

impl<K: Key, S: Wire> Opened<K, S> {
    /// Work that writes the bases of the groups whose turn it is; none where nothing may be written.
    pub(super) fn base_job(&self, wanted: &BaseWanted<'_>) -> Result<Option<BaseJob>> {
        if wanted.bytes == 0 {
            return Ok(None);
        }
        if self.store.is_some() {
            return self.store_job(wanted);
        }
        let (batch, parts) = self.parts();
        let tables = parts.iter().flatten().flat_map(Part::groups);
        let mut tables: Vec<Shared<K, S>> = tables.map(|(group, table)| (group, Arc::clone(table))).collect();
        drop(parts);
        if tables.is_empty() {
            return Ok(None);
        }
        // At least one, so that all have their turn; none twice.
        let first = self.saving.next.load(Ordering::Relaxed) as usize % tables.len();
        tables.rotate_left(first);
        let (entry, mut bytes, mut count) = (self.saving.entry_bytes(), 0, 0);
        for (_, table) in &tables {
            if bytes >= wanted.bytes {
                break;
            }
            bytes += table.len() as u64 * entry;
            count += 1;
        }
        self.saving.next.store((first + count) as u64 % tables.len() as u64, Ordering::Relaxed);
        tables.truncate(count);
        let (codec, path) = (self.codec.clone(), wanted.path.to_string());
        Ok(Some(Box::new(move |storage| write_tables(tables, batch, &codec, storage, &path))))
    }

    /// A store saves all groups at once, once as much was added as half of what its last base has.
    fn store_job(&self, wanted: &BaseWanted<'_>) -> Result<Option<BaseJob>> {
        let Some(store) = &self.store else { return Ok(None) };
        let saved_up = self.saving.saved_up.fetch_add(wanted.bytes, Ordering::Relaxed) + wanted.bytes;
        let kept: u64 = wanted.kept.iter().map(|base| base.bytes).sum();
        if saved_up < kept / 2 {
            return Ok(None);
        }
        self.saving.saved_up.store(0, Ordering::Relaxed);
        let objects: Vec<String> = wanted.kept.iter().flat_map(|base| base.objects.clone()).collect();
        let (snapshot, path) = (store.snapshot()?, wanted.path.to_string());
        Ok(Some(Box::new(move |storage| {
            Ok(vec![snapshot.save(snapshot.groups(), storage, &path, &objects)?])
        })))
    }
}

/// Writes the tables; those of neighbouring groups make one base, and share objects.
fn write_tables<K: Key, S: Wire>(
    tables: Vec<Shared<K, S>>,
    applied: Option<BatchTime>,
    codec: &Codec<S>,
    storage: &dyn Storage,
    path: &str,
) -> Result<Vec<StateBase>> {
    let mut bases: Vec<StateBase> = Vec::new();
    let (mut entries, mut key) = (Changes::new(), Vec::new());
    // The groups whose entries are not written yet.
    let mut open = 0..0;
    for (group, table) in tables {
        let number = the_group(group)?;
        let follows = bases.last().is_some_and(|base| base.groups.end == group);
        if !follows || entries.as_bytes().len() >= OBJECT_BYTES {
            write_open(&mut bases, &mut open, &mut entries, storage, path)?;
            open = group..group;
        }
        if !follows {
            bases.push(StateBase { groups: group..group, applied, objects: Vec::new(), bytes: 0 });
        }
        for (place, (of, state)) in (0..).zip(table.pairs()) {
            key.clear();
            of.encode(&mut key)?;
            entries.put_with(number, &key, |out| codec.encode(state, table.due(place), out))?;
        }
        // Given back as soon as it is encoded: a batch that changes a shared table copies it.
        drop(table);
        open.end = group + 1;
        if let Some(base) = bases.last_mut() {
            base.groups.end = group + 1;
        }
    }
    write_open(&mut bases, &mut open, &mut entries, storage, path)?;
    Ok(bases)
}

/// Writes what is in `entries` as an object of the last base.
fn write_open(
    bases: &mut [StateBase],
    open: &mut Range<u8>,
    entries: &mut Changes,
    storage: &dyn Storage,
    path: &str,
) -> Result<()> {
    if let Some(base) = bases.last_mut() {
        write_groups(base, (open.clone(), entries), storage, path)?;
    }
    entries.clear();
    Ok(())
}

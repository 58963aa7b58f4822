//! How a run takes a ledger over, and what it finds there.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::claims::Terms;
use super::entry::{self, Deltas, Entry, Identity, KeeperDeltas, corrupt, read_entry};
use super::manifest::Manifest;
use super::{ENTRIES, Ledger, Line, MANIFESTS, manifest_path, path, superseded};
use crate::storage::{Entry as StorageEntry, Put, PutMode, Storage};
use crate::words::{BatchTime, Epoch, Error, Result};

/// How often a run begins anew because another one takes over at the same time.
const TRIES_MAX: usize = 100;

/// Paths in one listing: some ten kilobytes of names.
const PAGE: usize = 1000;

/// What a run found: the same for all members.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct History {
    /// What this run has written at its start: what it found, for the operators of this plan.
    pub(crate) manifest: Manifest,
    /// Its number.
    pub(crate) number: u64,
    /// The number of the manifest that was found, and the objects that it names.
    pub(crate) before_number: Option<u64>,
    pub(crate) before: Vec<String>,
    /// The entry with which this run opened the ledger.
    pub(crate) opened: u64,
    /// The uids of operators that begin anew.
    pub(crate) new: Vec<String>,
    /// State that nobody asked for, which was dropped.
    pub(crate) dropped: Vec<String>,
    /// A batch that was planned and not committed.
    pub(crate) unfinished: Option<BatchTime>,
    /// A batch that was committed with something to show, and not shown.
    pub(crate) unpublished: Option<BatchTime>,
}

/// What there is before a run has written anything.
struct Found {
    // The newest that can be read with its number, and the highest number there is.
    manifest: Option<(u64, Manifest)>,
    newest: Option<u64>,
    next: u64,
}

/// What the last entries say.
#[derive(Default)]
struct Tail {
    epoch: Option<Epoch>,
    planned: Option<BatchTime>,
    committed: Option<BatchTime>,
    unpublished: Option<BatchTime>,
}

/// What the job in `storage` is, if there is one.
pub(crate) fn identity(storage: &dyn Storage) -> Result<Option<Identity>> {
    let found = look(storage)?;
    match found.manifest {
        Some((_, manifest)) => Ok(Some(manifest.identity)),
        None if found.next == 0 => Ok(None),
        None => first_entry(storage).map(Some),
    }
}

/// Takes the ledger in `storage` over, or begins it.
///
/// # Errors
/// What is in the way of going on with what is there, before anything is written; [`Error::Fenced`] where others keep
/// taking over.
pub(crate) fn take_over(storage: &dyn Storage, terms: &Terms) -> Result<History> {
    for _ in 0..TRIES_MAX {
        let found = look(storage)?;
        let mut manifest = found_manifest(storage, &found, terms)?;
        terms.check(&manifest)?;
        let tail = tail(storage, manifest.from, found.next)?;
        let epoch = Epoch(tail.epoch.map_or(0, |epoch| epoch.0).max(manifest.epoch.0) + 1);
        let mut bytes = Vec::new();
        entry::write_entry(epoch, &Entry::Opened(manifest.identity.clone()), &[], &mut bytes)?;
        if storage.put(&path(found.next), &bytes, PutMode::IfAbsent)? == Put::Exists {
            continue;
        }
        // From here on the run before cannot add an entry. It may still write a manifest, until this run has.
        let mut newest = found;
        for _ in 0..TRIES_MAX {
            terms.check(&manifest)?;
            let named = manifest.objects().cloned().collect();
            let before = std::mem::take(&mut manifest.keepers);
            let committed = tail.committed.max(manifest.committed);
            let (keepers, new) = terms.keepers(&before, committed);
            let dropped = before.iter().filter(|old| keepers.iter().all(|kept| kept.uid != old.uid));
            let dropped = dropped.map(|old| old.uid.clone()).collect();
            let mine = Manifest {
                epoch,
                committed,
                planned: tail.planned.max(manifest.planned),
                keepers,
                ..manifest.clone()
            };
            let number = newest.newest.map_or(0, |newest| newest + 1);
            if storage.put(&manifest_path(number), &mine.to_bytes()?, PutMode::IfAbsent)? == Put::Done {
                return Ok(History {
                    unfinished: tail.planned.filter(|planned| Some(*planned) > committed),
                    unpublished: tail.unpublished,
                    manifest: mine,
                    number,
                    before_number: newest.manifest.map(|(number, _)| number),
                    before: named,
                    opened: newest.next,
                    new,
                    dropped,
                });
            }
            let next = newest.next;
            newest = Found { next, ..look(storage)? };
            manifest = found_manifest(storage, &newest, terms)?;
        }
        return Err(superseded(MANIFESTS));
    }
    Err(superseded(ENTRIES))
}

/// The manifest to begin with: the newest, or what the first entry says, or that of a new job.
fn found_manifest(storage: &dyn Storage, found: &Found, terms: &Terms) -> Result<Manifest> {
    let identity = match &found.manifest {
        Some((_, manifest)) => return Ok(manifest.clone()),
        None if found.next == 0 => terms.identity.clone(),
        None => first_entry(storage)?,
    };
    Ok(Manifest { identity, epoch: Epoch(0), from: 0, committed: None, planned: None, keepers: Vec::new() })
}

/// Finds the newest manifest, and the number of the next entry.
fn look(storage: &dyn Storage) -> Result<Found> {
    let manifests = numbers(storage, MANIFESTS, "")?;
    let mut manifest = None;
    for number in manifests.iter().rev() {
        let path = manifest_path(*number);
        match storage.get(&path, None)?.map(|bytes| Manifest::from_bytes(&path, &bytes)) {
            // Gone since it was listed: there are newer ones.
            None => {}
            Some(Ok(found)) => {
                manifest = Some((*number, found));
                break;
            }
            // All that the one before needs is still there.
            Some(Err(error @ Error::Corrupt { .. })) if *number != manifests[0] => {
                tracing::error!(path, error = %error.chain(), "a manifest is damaged; the one before is used");
            }
            Some(Err(error)) => return Err(error),
        }
    }
    let from = manifest.as_ref().map_or(0, |(_, manifest)| manifest.from);
    // What is before the manifest's entries was removed, or is a leftover of a run that was superseded.
    let after = from.checked_sub(1).map_or(String::new(), path);
    let entries = numbers(storage, ENTRIES, &after)?;
    for (number, expected) in entries.iter().zip(from..) {
        if *number != expected {
            return Err(corrupt(&path(expected), "it is missing, and later entries are there".into()));
        }
    }
    if entries.is_empty() && manifest.is_some() {
        return Err(corrupt(&path(from), "it is missing, and a manifest says that it is needed".into()));
    }
    Ok(Found { manifest, newest: manifests.last().copied(), next: from + entries.len() as u64 })
}

/// The numbers of all objects of a folder behind the path `after`.
fn numbers(storage: &dyn Storage, folder: &str, after: &str) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    pages(storage, folder, after, |entry| {
        let number = entry.path.strip_prefix(folder).and_then(|name| name.parse().ok());
        all.push(number.ok_or_else(|| corrupt(&entry.path, "it is no number of ours".into()))?);
        Ok(())
    })?;
    Ok(all)
}

/// Gives all objects of a folder behind the path `after` to `each`, in order.
pub(super) fn pages(
    storage: &dyn Storage,
    folder: &str,
    after: &str,
    mut each: impl FnMut(&StorageEntry) -> Result<()>,
) -> Result<()> {
    let mut after = after.to_owned();
    loop {
        let page = storage.list(folder, &after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after.clone_from(&last.path);
        page.iter().try_for_each(&mut each)?;
    }
}

fn first_entry(storage: &dyn Storage) -> Result<Identity> {
    match read(storage, 0)? {
        (_, Entry::Opened(identity), _) => Ok(identity),
        _ => Err(corrupt(&path(0), "the first entry does not say what the job is".into())),
    }
}

fn read(storage: &dyn Storage, number: u64) -> Result<(Epoch, Entry, Vec<KeeperDeltas>)> {
    let path = path(number);
    let bytes = storage.get(&path, None)?;
    let bytes = bytes.ok_or_else(|| corrupt(&path, "it is missing, and later entries are there".into()))?;
    read_entry(&path, &bytes)
}

/// What the last entries say, from the newest back to the last commit.
fn tail(storage: &dyn Storage, from: u64, next: u64) -> Result<Tail> {
    let mut tail = Tail::default();
    let mut published = None;
    for number in (from..next).rev() {
        let (epoch, entry, _) = read(storage, number)?;
        tail.epoch = tail.epoch.max(Some(epoch));
        match entry {
            Entry::Opened(_) => {}
            Entry::Planned { batch, .. } => tail.planned = tail.planned.max(Some(batch)),
            Entry::Published { batch } => published = Some(batch),
            Entry::Committed { batch, outputs, .. } => {
                tail.committed = Some(batch);
                tail.planned = tail.planned.max(Some(batch));
                tail.unpublished = (!outputs.is_empty() && published != Some(batch)).then_some(batch);
                break;
            }
        }
    }
    Ok(tail)
}

/// Gives the deltas of each committed batch that the manifest does not have whole to `each`, in order; gives back what
/// entries there are.
///
/// # Errors
/// [`Error::Corrupt`] for what is damaged or missing; what `each` returns.
pub(crate) fn replay(
    storage: &Arc<dyn Storage>,
    history: &History,
    mut each: impl FnMut(BatchTime, Vec<KeeperDeltas>) -> Result<()>,
) -> Result<VecDeque<Line>> {
    let mut lines = VecDeque::new();
    for number in history.manifest.from..=history.opened {
        let (_, entry, inline) = read(&**storage, number)?;
        let mut line = Line { number, committed: None, objects: Vec::new() };
        if let Entry::Committed { batch, failed, deltas, .. } = entry {
            line.committed = Some(batch);
            let all = match deltas {
                Deltas::Inline => inline,
                Deltas::Objects(objects) => {
                    let mut all: Vec<KeeperDeltas> = Vec::new();
                    for object in &objects {
                        let bytes = storage.get(&object.path, None)?;
                        for of in entry::read_delta_object(object, bytes)? {
                            match all.iter_mut().find(|known| known.uid == of.uid) {
                                Some(known) => known.deltas.extend(of.deltas),
                                None => all.push(of),
                            }
                        }
                    }
                    line.objects = objects.into_iter().map(|object| object.path).collect();
                    all
                }
            };
            // A batch that was skipped has left nothing.
            if failed.is_none() {
                each(batch, all)?;
            }
        }
        lines.push_back(line);
    }
    Ok(lines)
}

impl History {
    /// The ledger of this run.
    pub(crate) fn ledger(&self, storage: Arc<dyn Storage>, lines: VecDeque<Line>) -> Ledger {
        Ledger::durable(storage, self.manifest.epoch, lines)
    }

    /// The last batch whose time is used.
    pub(crate) fn last(&self) -> Option<BatchTime> {
        self.manifest.planned.max(self.manifest.committed)
    }
}

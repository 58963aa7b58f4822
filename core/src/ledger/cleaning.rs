//! What nobody needs any more goes.

use std::collections::BTreeSet;

use super::manifest::Manifest;
use super::takeover::pages;
use super::{BASES, DELTAS, ENTRIES, MANIFESTS, manifest_path, path, superseded};
use crate::storage::{Put, PutMode, Storage};
use crate::words::Result;

/// Writes a manifest; durable when it returns. One of this number by the same run is as good: its put was reported as
/// failed, and happened all the same.
///
/// # Errors
/// [`Error::Fenced`](crate::Error::Fenced) where another run has taken over.
pub(crate) fn put_manifest(storage: &dyn Storage, number: u64, bytes: &[u8]) -> Result<()> {
    let path = manifest_path(number);
    if storage.put(&path, bytes, PutMode::IfAbsent)? == Put::Exists {
        let mine = Manifest::from_bytes(&path, bytes)?.epoch;
        let other = storage.get(&path, None)?.map(|bytes| Manifest::from_bytes(&path, &bytes)).transpose()?;
        return if other.is_some_and(|other| other.epoch == mine) { Ok(()) } else { Err(superseded(&path)) };
    }
    // As with entries: a number may be free again, but then the one before is gone too.
    let before = number.checked_sub(1).map(manifest_path);
    if let Some(before) = before
        && storage.get(&before, Some(0..0))?.is_none()
    {
        storage.delete(&path)?;
        return Err(superseded(&path));
    }
    Ok(())
}

/// Removes what earlier runs have left behind: all that is older than `manifest` and not among `manifests` or `named`.
///
/// # Errors
/// [`Error::Storage`](crate::Error::Storage); what is left is found the next time.
pub(crate) fn sweep(
    storage: &dyn Storage,
    manifest: &Manifest,
    manifests: [u64; 2],
    named: &BTreeSet<String>,
) -> Result<()> {
    let needed: BTreeSet<String> = manifests.iter().map(|number| manifest_path(*number)).collect();
    let newest = manifest_path(manifests[1]);
    let old = |path: &str| path < newest.as_str() && !needed.contains(path);
    remove(storage, MANIFESTS, old)?;
    let from = path(manifest.from);
    remove(storage, ENTRIES, |path| path < from.as_str())?;
    for folder in [DELTAS, BASES] {
        let this_run = format!("{folder}{:010}", manifest.epoch.0);
        remove(storage, folder, |path| path < this_run.as_str() && !named.contains(path))?;
    }
    Ok(())
}

fn remove(storage: &dyn Storage, folder: &str, gone: impl Fn(&str) -> bool) -> Result<()> {
    pages(storage, folder, "", |entry| if gone(&entry.path) { storage.delete(&entry.path) } else { Ok(()) })
}

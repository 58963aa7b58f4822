//! A folder as a storage.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::claim::{abandoned, claim, unique_name};
use super::{
    Entry, Log, Put, PutMode, SegmentLog, Staged, Storage, check_storage_path, failed, nothing_to_promote,
    path,
};
use crate::words::{Epoch, Result};

/// A [`Storage`] in a folder of a local or mounted file system.
///
/// An object is a file. It is written under a hidden name in `.tidemill-staged`, synced, and then renamed, or linked
/// where it must not replace another; then the folders up to the root are synced. So the whole tree lies on one file
/// system, which must know hard links. What a dead process left in `.tidemill-staged` is removed before the first
/// write.
///
/// Files of others are objects as well, except those whose name cannot be part of a [path](check_storage_path), such
/// as hidden ones. Links to folders are not followed in listings. Folders come and go with the objects in them.
#[derive(Clone, Debug)]
pub struct FileStorage {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    /// Whether the root was made and swept by this handle.
    ready: Mutex<bool>,
}

/// Not a name that a path can have.
const STAGED: &str = ".tidemill-staged";

/// How often a write begins anew because others remove the folders it needs, or take its names, under its hands.
const TRIES_MAX: usize = 100;

impl FileStorage {
    /// The storage in the folder `root`, which is made with the first object.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) where `root` is empty, or relative while there is no current folder.
    pub fn new(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref();
        // Absolute, so that a later change of the current folder moves nothing.
        let root =
            std::path::absolute(root).map_err(|error| failed("open", root.display().to_string(), error))?;
        Ok(Self { shared: Arc::new(Shared { root, ready: Mutex::new(false) }) })
    }

    fn root(&self) -> &Path {
        &self.shared.root
    }

    fn resolve(&self, path: &str) -> Result<PathBuf> {
        check_storage_path(path)?;
        Ok(self.root().join(path))
    }

    /// Makes the root and removes what the dead left there, once.
    fn prepare(&self) -> io::Result<()> {
        let mut ready = self.shared.ready.lock();
        if *ready {
            return Ok(());
        }
        make_durable(self.root())?;
        for leftover in fs::read_dir(self.root().join(STAGED)).into_iter().flatten().flatten() {
            if let Some(_lock) = abandoned(&leftover.path()) {
                // Somebody else may be faster.
                fs::remove_file(leftover.path()).ok();
            }
        }
        *ready = true;
        Ok(())
    }

    fn temporary(&self, to: PathBuf) -> io::Result<Temporary> {
        self.prepare()?;
        let folder = self.root().join(STAGED);
        for _ in 0..TRIES_MAX {
            let from = folder.join(unique_name());
            match claim(&from) {
                Ok(Some(file)) => {
                    return Ok(Temporary { storage: self.clone(), file, from, to, renamed: false });
                }
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    // Whoever closed the storage last took the folder away, perhaps just now again.
                    present(make_folder(&folder))?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no temporary name is free"))
    }

    /// Runs `step`, which puts something at `to`, once the folder is there; then syncs.
    fn arrive(&self, to: &Path, mut step: impl FnMut() -> io::Result<()>) -> io::Result<()> {
        let folder = to.parent().unwrap_or(self.root());
        let mut tries = 0;
        let arrived = loop {
            tries += 1;
            match make_folder(folder).and_then(|()| step()) {
                // A delete removes folders that become empty, perhaps the one that was just made.
                Err(error) if error.kind() == ErrorKind::NotFound && tries < TRIES_MAX => {}
                done => break done,
            }
        };
        match &arrived {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {}
            // Also where somebody was first: it may not have come to its sync yet, and we report that it is there.
            // All folders: another thread may have made one of them and not have come to its sync either.
            _ => folder.ancestors().take_while(|f| f.starts_with(self.root())).try_for_each(sync_folder)?,
        }
        arrived
    }

    fn remove_empty_folders(&self, above: &Path) {
        let folders =
            above.ancestors().skip(1).take_while(|f| *f != self.root() && f.starts_with(self.root()));
        // Fails where it is not empty, and there it ends.
        folders.map(fs::remove_dir).take_while(io::Result::is_ok).for_each(drop);
    }

    fn walk(&self, base: &str, wanted: &Wanted<'_>, found: &mut Vec<Entry>) -> io::Result<()> {
        let Some(entries) = present(fs::read_dir(self.root().join(base)))? else { return Ok(()) };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().filter(|name| path::is_name(name)).map(String::from)
            else {
                continue;
            };
            // With its slash, so that the order of names is the order of the paths below them.
            let is_folder = entry.file_type()?.is_dir();
            names.push(if is_folder { name + "/" } else { name });
        }
        names.sort_unstable();
        for name in names {
            if found.len() >= wanted.max {
                break;
            }
            let path = format!("{base}{name}");
            if path.ends_with('/') {
                if wanted.may_be_below(&path) {
                    self.walk(&path, wanted, found)?;
                }
            } else if wanted.is(&path)
                // Gone since the folder was read, or a link to nowhere.
                && let Some(metadata) = present(fs::metadata(self.root().join(&path)))?
                && metadata.is_file()
            {
                found.push(Entry { path, bytes: metadata.len(), version: version(&metadata) });
            }
        }
        Ok(())
    }
}

impl Storage for FileStorage {
    fn put(&self, path: &str, bytes: &[u8], mode: PutMode) -> Result<Put> {
        let to = self.resolve(path)?;
        let done = self.temporary(to.clone()).and_then(|mut file| {
            file.write_all(bytes)?;
            file.show(mode)
        });
        done.map_err(|error| failed("write", to.display().to_string(), error))
    }

    fn get(&self, path: &str, part: Option<Range<u64>>) -> Result<Option<Vec<u8>>> {
        let from = self.resolve(path)?;
        let read = || {
            let Some(mut file) = present(File::open(&from))? else { return Ok(None) };
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Ok(None);
            }
            let part = part.unwrap_or(0..u64::MAX);
            let length = part.end.min(metadata.len()).saturating_sub(part.start);
            let mut bytes = Vec::with_capacity(length as usize);
            if length > 0 {
                file.seek(SeekFrom::Start(part.start))?;
                file.take(length).read_to_end(&mut bytes)?;
            }
            Ok(Some(bytes))
        };
        read().map_err(|error| failed("read", from.display().to_string(), error))
    }

    fn list(&self, prefix: &str, after: &str, max: usize) -> Result<Vec<Entry>> {
        let base = prefix.rfind('/').map_or("", |slash| prefix.get(..=slash).unwrap_or_default());
        if !base.is_empty() && check_storage_path(base.trim_end_matches('/')).is_err() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        self.walk(base, &Wanted { prefix, after, max }, &mut found)
            .map_err(|error| failed("list", self.root().join(base).display().to_string(), error))?;
        Ok(found)
    }

    fn delete(&self, path: &str) -> Result<()> {
        let gone = self.resolve(path)?;
        match present(fs::remove_file(&gone)) {
            Ok(Some(())) => self.remove_empty_folders(&gone),
            Ok(None) => {}
            // A folder is no object.
            Err(_) if gone.is_dir() => {}
            Err(error) => return Err(failed("delete", gone.display().to_string(), error)),
        }
        Ok(())
    }

    fn stage(&self, path: &str) -> Result<Box<dyn Staged>> {
        let to = self.resolve(path)?;
        match self.temporary(to.clone()) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => Err(failed("stage", to.display().to_string(), error)),
        }
    }

    fn promote(&self, from: &str, to: &str) -> Result<()> {
        let (source, target) = (self.resolve(from)?, self.resolve(to)?);
        // Asked before renaming, since a rename would take a folder as well.
        let moved = self.arrive(&target, || match (source.is_file(), target.is_file()) {
            (true, _) => fs::rename(&source, &target),
            (false, true) => Ok(()),
            (false, false) => Err(io::Error::other("neither is there")),
        });
        match moved {
            Ok(()) => self.remove_empty_folders(&source),
            Err(_) if !source.is_file() && !target.is_file() => {
                self.remove_empty_folders(&target);
                return Err(nothing_to_promote(from));
            }
            Err(error) => return Err(failed("promote", source.display().to_string(), error)),
        }
        Ok(())
    }

    fn log(&self, path: &str, epoch: Epoch) -> Result<Box<dyn Log>> {
        Ok(Box::new(SegmentLog::open(Arc::new(self.clone()), path, epoch)?))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // A courtesy to whoever looks into the folder; fails where others still write.
        fs::remove_dir(self.root.join(STAGED)).ok();
    }
}

/// A file on its way, locked against the sweep of others.
struct Temporary {
    storage: FileStorage,
    file: File,
    from: PathBuf,
    to: PathBuf,
    renamed: bool,
}

impl Temporary {
    fn show(mut self, mode: PutMode) -> io::Result<Put> {
        self.file.sync_all()?;
        let arrived = self.storage.arrive(&self.to, || match mode {
            PutMode::Replace => fs::rename(&self.from, &self.to),
            // Unlike a rename, a link never replaces.
            PutMode::IfAbsent => fs::hard_link(&self.from, &self.to),
        });
        self.renamed = mode == PutMode::Replace && arrived.is_ok();
        match arrived {
            Ok(()) => Ok(Put::Done),
            Err(error) if mode == PutMode::IfAbsent && error.kind() == ErrorKind::AlreadyExists => {
                Ok(Put::Exists)
            }
            Err(error) => Err(error),
        }
    }
}

impl io::Write for Temporary {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Staged for Temporary {
    fn publish(self: Box<Self>, mode: PutMode) -> Result<Put> {
        let to = self.to.display().to_string();
        self.show(mode).map_err(|error| failed("write", to, error))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            fs::remove_file(&self.from).ok();
        }
    }
}

/// What a listing asks for.
struct Wanted<'a> {
    prefix: &'a str,
    after: &'a str,
    max: usize,
}

impl Wanted<'_> {
    fn is(&self, path: &str) -> bool {
        path.starts_with(self.prefix) && path > self.after
    }

    /// Whether something wanted can be below this folder, whose path ends with a slash.
    fn may_be_below(&self, folder: &str) -> bool {
        let by_prefix = folder.starts_with(self.prefix) || self.prefix.starts_with(folder);
        by_prefix && (folder > self.after || self.after.starts_with(folder))
    }
}

/// `None` for what is not there.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Length, time of change and, since that time is coarse, which file it is: a replaced object is another one.
fn version(metadata: &fs::Metadata) -> Option<String> {
    let changed = metadata.modified().ok()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    #[cfg(unix)]
    let file = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let file = 0;
    Some(format!("{}-{}-{file}", metadata.len(), changed.as_nanos()))
}

/// Makes a folder and those above it; "not found" where one of them was removed at the same time.
///
/// Never "already exists", which for what is in the folder means that somebody was first.
fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_file() => {
            Err(ErrorKind::NotADirectory.into())
        }
        // It was there, and then it was not.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(ErrorKind::NotFound.into()),
        made => made,
    }
}

/// Makes a folder and those above it, each synced into the one above.
fn make_durable(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let Some(above) = folder.parent() else { return Ok(()) };
    make_durable(above)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => sync_folder(above),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened, nor need it be.
    if cfg!(unix)
        && let Some(folder) = present(File::open(folder))?
    {
        folder.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! One look: what lies there now, compared with what is known.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use foldhash::fast::FixedState;

use super::known::{KnownFiles, Names};
use super::pattern::{Matching, Pattern, Step, is_hidden, is_missing};
use crate::read::modified;

/// Says whether a file belongs to a stream.
pub(crate) type Filter = dyn Fn(&Path) -> bool + Send + Sync;

/// What a look found.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Files with content that are not known, or not with this length.
    pub(crate) strangers: Vec<Stranger>,
    /// Known files that are not there.
    pub(crate) absent: Vec<PathBuf>,
    /// The folders that were read.
    pub(crate) folders: Vec<PathBuf>,
    /// What could not be looked at, and why.
    pub(crate) troubles: Vec<String>,
    /// What could not be looked at and may hold known files.
    pub(super) unsure: Vec<PathBuf>,
}

/// A file that may be new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stranger {
    pub(crate) path: PathBuf,
    pub(crate) length: u64,
    /// When its content was last changed, since the epoch, by the file system's clock.
    pub(crate) modified: Duration,
    /// How much later something else of it was changed, by the same clock, such as its name: so long at least its content
    /// had been at rest then.
    pub(crate) rested: Duration,
    /// The length with which it is known.
    pub(crate) known: Option<u64>,
}

/// How to look.
pub(crate) struct Walk<'a> {
    pattern: &'a Pattern,
    nested: bool,
    filter: Option<&'a Filter>,
    known: &'a KnownFiles,
    listing: Listing,
}

/// Which entries of a folder are meant.
#[derive(Clone, Copy)]
enum Which<'a> {
    All,
    /// Those that match, and below them the rest of the path.
    Matching(&'a Matching, &'a [Step]),
}

/// A folder that is being read.
struct Visit<'a> {
    folder: &'a Path,
    known: Option<&'a Names>,
    // Those of the known files that are there.
    seen: Vec<OsString>,
}

impl<'a> Walk<'a> {
    /// Looks once at everything that `pattern` names.
    pub(crate) fn look(
        pattern: &'a Pattern,
        nested: bool,
        filter: Option<&'a Filter>,
        known: &'a KnownFiles,
    ) -> Listing {
        let mut walk = Self { pattern, nested, filter, known, listing: Listing::default() };
        walk.begin();
        walk.known_folders_that_are_gone();
        walk.listing
    }

    fn begin(&mut self) {
        let base = &self.pattern.base;
        let folder = base.display();
        let looked = match self.pattern.steps.split_first() {
            None => self.end_of_path(base),
            Some((Step::Matching(matching), rest)) => self.scan(base, Which::Matching(matching, rest)),
            // Invariant: the base ends before a glob.
            Some((Step::Name(_), _)) => Ok(()),
        };
        match looked {
            Ok(()) => {}
            Err(error) if is_missing(&error) => {
                self.listing.troubles.push(format!("there is no folder {folder}"));
            }
            Err(error) => self.trouble(base, &error),
        }
    }

    /// What the whole path leads to: a folder, or, where a slash does not rule it out, a file.
    fn end_of_path(&mut self, path: &Path) -> io::Result<()> {
        match self.scan(path, Which::All) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory && !self.pattern.folders_only => {
                let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Err(error) };
                let metadata = fs::metadata(path)?;
                let mut visit = Visit::new(folder, self.known);
                if metadata.is_file() {
                    self.file(&mut visit, name.to_owned(), &metadata);
                }
                self.listing.folders.push(folder.to_owned());
                self.leave(&visit);
                Ok(())
            }
            scanned => scanned,
        }
    }

    fn steps(&mut self, path: &Path, steps: &[Step]) {
        let looked = match steps.split_first() {
            None => self.end_of_path(path),
            Some((Step::Name(name), rest)) => return self.steps(&path.join(name), rest),
            Some((Step::Matching(matching), rest)) => self.scan(path, Which::Matching(matching, rest)),
        };
        match looked {
            Ok(()) => {}
            // It only does not match.
            Err(error) if is_missing(&error) || error.kind() == io::ErrorKind::NotADirectory => {}
            Err(error) => self.trouble(path, &error),
        }
    }

    fn scan(&mut self, folder: &Path, which: Which<'_>) -> io::Result<()> {
        let entries = fs::read_dir(folder)?;
        self.listing.folders.push(folder.to_owned());
        let mut visit = Visit::new(folder, self.known);
        // Read when this folder is closed, so that a deep tree does not hold many open.
        let mut below = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => self.entry(&mut visit, &entry, which, &mut below),
                Err(error) => self.trouble(folder, &error),
            }
        }
        self.leave(&visit);
        for name in below {
            let rest = if let Which::Matching(_, rest) = which { rest } else { &[] };
            self.steps(&folder.join(name), rest);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        visit: &mut Visit<'_>,
        entry: &DirEntry,
        which: Which<'_>,
        below: &mut Vec<OsString>,
    ) {
        let name = entry.file_name();
        // What is meant: files that lie here, folders, and links to folders. Within folders such links are not followed:
        // so there are no loops, and no file comes under two names.
        let (files, folders, links) = match which {
            Which::All if is_hidden(&name) => return,
            Which::All => (true, self.nested, false),
            Which::Matching(matching, _) if !matching.takes(&name) => return,
            Which::Matching(_, rest) => (rest.is_empty() && !self.pattern.folders_only, true, true),
        };
        let kind = entry.file_type();
        let metadata = match &kind {
            Ok(kind) if kind.is_dir() => {
                if folders {
                    below.push(name);
                }
                return;
            }
            Ok(kind) if kind.is_file() && files => entry.metadata(),
            Ok(kind) if kind.is_symlink() => fs::metadata(visit.folder.join(&name)),
            // A pipe, a device: reading one might never end.
            Ok(_) => return,
            Err(_) => kind.and_then(|_| entry.metadata()),
        };
        match metadata {
            Ok(metadata) if metadata.is_file() && files => self.file(visit, name, &metadata),
            Ok(metadata) if metadata.is_dir() && links => below.push(name),
            Ok(_) => {}
            // Gone since the folder named it, or a link that leads nowhere.
            Err(error) if is_missing(&error) => {}
            Err(error) => {
                let path = visit.folder.join(&name);
                self.listing.troubles.push(format!("cannot look at {}: {error}", path.display()));
                // It is there all the same.
                if visit.known.is_some_and(|names| names.contains_key(&name)) {
                    visit.seen.push(name);
                }
            }
        }
    }

    fn file(&mut self, visit: &mut Visit<'_>, name: OsString, metadata: &Metadata) {
        let length = metadata.len();
        let known = visit.known.and_then(|names| names.get(&name)).copied();
        if known != Some(length) {
            let path = visit.folder.join(&name);
            // An empty file is none yet: who reads it now would miss what is written to it later.
            let meant = length > 0 && self.filter.is_none_or(|filter| filter(&path));
            if known.is_some() || meant {
                // It is known wherever lengths are.
                let modified = modified(metadata).unwrap_or_default();
                let rested = rested(metadata, modified);
                self.listing.strangers.push(Stranger { path, length, modified, rested, known });
            }
        }
        if known.is_some() {
            visit.seen.push(name);
        }
    }

    fn leave(&mut self, visit: &Visit<'_>) {
        let Some(known) = visit.known else { return };
        if visit.seen.len() == known.len() || self.is_unsure(visit.folder) {
            return;
        }
        let mut seen: HashSet<&OsStr, FixedState> = HashSet::default();
        seen.extend(visit.seen.iter().map(OsString::as_os_str));
        let absent = known.keys().filter(|name| !seen.contains(name.as_os_str()));
        self.listing.absent.extend(absent.map(|name| visit.folder.join(name)));
    }

    /// Known folders that this look did not come to.
    fn known_folders_that_are_gone(&mut self) {
        let mut visited: HashSet<&Path, FixedState> = HashSet::default();
        visited.extend(self.listing.folders.iter().map(PathBuf::as_path));
        let mut absent = Vec::new();
        for (folder, names) in self.known.folders() {
            if !visited.contains(folder) && !self.is_unsure(folder) {
                absent.extend(names.keys().map(|name| folder.join(name)));
            }
        }
        self.listing.absent.append(&mut absent);
    }

    /// Whether what could not be looked at may hold this folder, or more of it.
    fn is_unsure(&self, folder: &Path) -> bool {
        self.listing.unsure.iter().any(|unsure| folder.starts_with(unsure))
    }

    fn trouble(&mut self, path: &Path, error: &io::Error) {
        self.listing.unsure.push(path.to_owned());
        self.listing.troubles.push(format!("cannot look into {}: {error}", path.display()));
    }
}

impl<'a> Visit<'a> {
    fn new(folder: &'a Path, known: &'a KnownFiles) -> Self {
        Self { folder, known: known.folder(folder), seen: Vec::new() }
    }
}

/// How much later than its content something else of a file was changed, such as its name.
fn rested(metadata: &Metadata, modified: Duration) -> Duration {
    let seconds = u64::try_from(metadata.ctime()).unwrap_or(0);
    let changed = Duration::new(seconds, u32::try_from(metadata.ctime_nsec()).unwrap_or(0));
    changed.saturating_sub(modified)
}

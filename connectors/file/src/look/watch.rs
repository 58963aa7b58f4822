//! What the system tells of folders between two looks.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::fast::FixedState;
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use parking_lot::Mutex;

/// So many files are remembered as closed from one look to the next: as many as one folder may reasonably get. The others
/// are seen to be at rest by their length and time, as where nothing is told at all.
const CLOSED_MAX: usize = 100_000;

/// Learns which files were closed after they were written to, or moved in: these are at rest already at the first look.
///
/// It only makes a look surer of what it finds; whatever is told late, twice or never, the look is the truth.
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    told: Arc<Mutex<Told>>,
    folders: HashSet<PathBuf, FixedState>,
    // No more folders can be watched.
    full: bool,
}

#[derive(Debug, Default)]
struct Told {
    closed: HashSet<PathBuf, FixedState>,
    // What was removed or moved: if it was a watched folder, its watch is no good any more.
    gone: Vec<PathBuf>,
}

impl Watch {
    /// Begins, with no folder yet.
    ///
    /// # Errors
    /// Where the system has no such service, or no more of it; in words.
    pub(crate) fn start() -> Result<Self, String> {
        let told: Arc<Mutex<Told>> = Arc::default();
        let teller = Arc::clone(&told);
        // The library's own thread, one for the stream.
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| match event {
            Ok(event) => teller.lock().hear(&event),
            Err(_) => teller.lock().closed.clear(),
        });
        let watcher = watcher.map_err(|error| cannot(&error))?;
        Ok(Self { watcher, told, folders: HashSet::default(), full: false })
    }

    /// The files that were closed since the last call.
    pub(crate) fn closed(&self) -> HashSet<PathBuf, FixedState> {
        std::mem::take(&mut self.told.lock().closed)
    }

    /// Watches these folders and no others; says once if not all of them can be watched.
    pub(crate) fn follow(&mut self, folders: &[PathBuf]) -> Option<String> {
        let gone = std::mem::take(&mut self.told.lock().gone);
        let wanted: HashSet<&Path, FixedState> = folders.iter().map(PathBuf::as_path).collect();
        let stale: Vec<PathBuf> =
            self.folders.iter().filter(|folder| !wanted.contains(folder.as_path())).cloned().collect();
        for folder in gone.iter().chain(&stale) {
            if self.folders.remove(folder) {
                // It may have gone with its folder.
                let _ = self.watcher.unwatch(folder);
                self.full = false;
            }
        }
        if self.full {
            return None;
        }
        for folder in folders {
            if self.folders.contains(folder) {
                continue;
            }
            match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.folders.insert(folder.clone());
                }
                Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {}
                Err(error) => {
                    self.full = true;
                    return Some(cannot(&error));
                }
            }
        }
        None
    }
}

impl Told {
    fn hear(&mut self, event: &Event) {
        if event.need_rescan() {
            // What was lost may be that one of these is written to again.
            self.closed.clear();
            return;
        }
        let Some(path) = event.paths.last() else { return };
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(RenameMode::To))
                if self.closed.len() < CLOSED_MAX =>
            {
                self.closed.insert(path.clone());
            }
            EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_)) => {
                self.closed.remove(path);
            }
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)) => {
                self.closed.remove(path);
                self.gone.push(path.clone());
            }
            _ => {}
        }
    }
}

fn cannot(error: &notify::Error) -> String {
    format!(
        "the system does not tell of changes ({error}); files are read a batch later unless they are moved in, see \
         `FileStream::watch`"
    )
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("folders", &self.folders.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, Flag, RemoveKind};

    use super::*;

    fn told(events: &[(EventKind, &str)]) -> Vec<String> {
        let mut told = Told::default();
        events.iter().for_each(|(kind, path)| told.hear(&Event::new(*kind).add_path(path.into())));
        let mut closed: Vec<String> = told.closed.iter().map(|path| path.display().to_string()).collect();
        closed.sort_unstable();
        closed
    }

    const CLOSE: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));

    #[test]
    fn a_file_is_closed_until_something_else_happens_to_it() {
        let moved_in = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        assert_eq!(told(&[(CLOSE, "a"), (moved_in, "b")]), ["a", "b"]);
        for kind in [
            EventKind::Modify(ModifyKind::Data(DataChange::Any)),
            EventKind::Modify(ModifyKind::Name(RenameMode::From)),
            EventKind::Create(CreateKind::File),
            EventKind::Remove(RemoveKind::File),
        ] {
            assert_eq!(told(&[(CLOSE, "a"), (CLOSE, "b"), (kind, "a")]), ["b"], "{kind:?}");
        }
    }

    #[test]
    fn after_lost_news_nothing_is_taken_for_closed() {
        let mut told = Told::default();
        told.hear(&Event::new(CLOSE).add_path("a".into()));
        told.hear(&Event::new(EventKind::Other).set_flag(Flag::Rescan));
        assert!(told.closed.is_empty());
    }

    /// What is told comes in its own time.
    #[allow(clippy::disallowed_methods, reason = "it is the system that takes its time")]
    fn comes(it: impl Fn() -> bool) {
        let began = std::time::Instant::now();
        while !it() {
            assert!(began.elapsed() < std::time::Duration::from_mins(1), "nothing was told");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_folder_that_was_moved_away_and_made_anew_is_watched_again() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("in");
        std::fs::create_dir(&folder).unwrap();
        let mut watch = Watch::start().unwrap();
        let both = [root.path().to_owned(), folder.clone()];
        assert_eq!(watch.follow(&both), None);
        std::fs::rename(&folder, root.path().join("away")).unwrap();
        std::fs::create_dir(&folder).unwrap();
        comes(|| !watch.told.lock().gone.is_empty());
        assert_eq!(watch.follow(&both), None);
        std::fs::write(folder.join("x"), "x").unwrap();
        comes(|| watch.told.lock().closed.contains(&folder.join("x")));
        assert_eq!(watch.follow(&both[..1]), None);
        assert_eq!(watch.folders.len(), 1);
    }
}

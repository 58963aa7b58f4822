//! What a stream knows: the files that are no longer new.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use crate::part::FilePart;

/// The position of a stream of files: the fold of its ranges.
///
/// Of a file it holds its length alone: what is touched is not new, so its time decides nothing once it is known.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct KnownFiles {
    /// Whether the first plan was made, which says what was there before the stream.
    begun: bool,
    // By folder, then by name: a look finds the folder once, and needs no path for a file that it finds.
    folders: HashMap<OsString, Names, FixedState>,
}

/// Names of one folder, with lengths.
pub(crate) type Names = HashMap<OsString, u64, FixedState>;

/// One partition of a batch, and what the stream learned when it was planned.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileRange {
    /// The bytes to read; none where there was something to learn, and nothing to read.
    pub(crate) part: Option<FilePart>,
    /// In the first range of a plan, if anything was learned.
    pub(crate) news: Option<Box<News>>,
}

/// What a plan changes beside the files that it names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct News {
    /// In the first plan: what was there before the stream, with lengths.
    pub(crate) before: Option<Vec<(OsString, u64)>>,
    /// Files that have been gone for so long that another one under the same name is new.
    pub(crate) forgotten: Vec<OsString>,
}

impl News {
    pub(crate) fn is_empty(&self) -> bool {
        self.before.is_none() && self.forgotten.is_empty()
    }
}

impl KnownFiles {
    /// Whether the first plan was made.
    pub(crate) fn begun(&self) -> bool {
        self.begun
    }

    /// What is known of a folder.
    pub(crate) fn folder(&self, folder: &Path) -> Option<&Names> {
        self.folders.get(folder.as_os_str())
    }

    /// All folders of which something is known.
    pub(crate) fn folders(&self) -> impl Iterator<Item = (&Path, &Names)> {
        self.folders.iter().map(|(folder, names)| (Path::new(folder), names))
    }

    /// All files with their lengths.
    pub(crate) fn all(&self) -> Vec<(OsString, u64)> {
        let of = |(folder, names): (&Path, &Names)| -> Vec<_> {
            names.iter().map(|(name, length)| (folder.join(name).into_os_string(), *length)).collect()
        };
        let mut all: Vec<_> = self.folders().flat_map(of).collect();
        all.sort_unstable();
        all
    }

    /// Adds a file, or another length of it.
    pub(crate) fn learn(&mut self, path: &Path, length: u64) {
        let Some((folder, name)) = halves(path) else { return };
        match self.folders.get_mut(folder) {
            // Invariant: what is known already costs no memory.
            Some(names) => match names.get_mut(name) {
                Some(known) => *known = length,
                None => {
                    names.insert(name.to_owned(), length);
                }
            },
            None => {
                self.folders.entry(folder.to_owned()).or_default().insert(name.to_owned(), length);
            }
        }
    }

    fn forget(&mut self, path: &Path) {
        let Some((folder, name)) = halves(path) else { return };
        if let Some(names) = self.folders.get_mut(folder) {
            names.remove(name);
            if names.is_empty() {
                self.folders.remove(folder);
            }
        }
    }

    /// Adds what a range says.
    pub(crate) fn advance(&mut self, range: &FileRange) {
        if let Some(news) = &range.news {
            self.begun |= news.before.is_some();
            news.before.iter().flatten().for_each(|(path, length)| self.learn(Path::new(path), *length));
            news.forgotten.iter().for_each(|path| self.forget(Path::new(path)));
        }
        if let Some(part) = &range.part {
            self.learn(&part.file.path, part.file.length);
        }
    }
}

fn halves(path: &Path) -> Option<(&OsStr, &OsStr)> {
    Some((path.parent()?.as_os_str(), path.file_name()?))
}

/// A line for people: the path, and which of its bytes unless it is all.
impl fmt::Debug for FileRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.part {
            Some(part) if part.is_whole() => write!(f, "{}", part.file.path.display()),
            Some(part) => write!(f, "{} [{}, {})", part.file.path.display(), part.from, part.to),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidemill::Wire as _;

    use super::*;
    use crate::part::FileId;

    fn part(path: &str, length: u64) -> FilePart {
        let file = FileId { path: path.into(), length, modified: Duration::ZERO };
        FilePart { file, from: 0, to: length }
    }

    fn names(known: &KnownFiles) -> Vec<(String, u64)> {
        known.all().into_iter().map(|(path, length)| (path.into_string().unwrap(), length)).collect()
    }

    #[test]
    fn a_position_is_the_fold_of_its_ranges_and_survives_being_written_down() {
        let before = Some(vec![("/in/old".into(), 1), ("/in/gone".into(), 2)]);
        let first = FileRange { part: None, news: Some(Box::new(News { before, forgotten: Vec::new() })) };
        let forgotten = vec!["/in/gone".into(), "/in/never".into(), "/else/where".into()];
        let second = FileRange {
            part: Some(part("/in/new", 3)),
            news: Some(Box::new(News { before: None, forgotten })),
        };
        let third = FileRange { part: Some(part("/in/old", 4)), news: None };
        let mut known = KnownFiles::default();
        assert!(!known.begun());
        for range in [first, second, third] {
            let mut bytes = Vec::new();
            range.encode(&mut bytes).unwrap();
            assert_eq!(FileRange::decode(&mut &bytes[..]).unwrap(), range);
            known.advance(&range);
        }
        let mut bytes = Vec::new();
        known.encode(&mut bytes).unwrap();
        let read = KnownFiles::decode(&mut &bytes[..]).unwrap();
        assert!(read.begun());
        assert_eq!(names(&read), [("/in/new".into(), 3), ("/in/old".into(), 4)]);
    }

    #[test]
    fn a_folder_of_which_nothing_is_known_any_more_costs_nothing() {
        let mut known = KnownFiles::default();
        known.learn(Path::new("/in/a"), 1);
        known.forget(Path::new("/in/a"));
        assert_eq!(known.folders().count(), 0);
    }

    #[test]
    fn a_range_is_shown_as_its_path_and_a_part_with_its_bytes() {
        let whole = FileRange { part: Some(part("/in/a", 10)), news: None };
        let piece = FileRange { part: Some(FilePart { to: 5, ..part("/in/a", 10) }), news: None };
        let none = FileRange { part: None, news: None };
        assert_eq!(format!("{whole:?}|{piece:?}|{none:?}"), "/in/a|/in/a [0, 5)|");
    }
}

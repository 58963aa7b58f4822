//! Where a stream looks: a path, or a glob.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf, absolute};

use globset::{Glob, GlobMatcher};
use tidemill::{Error, Result};

/// A path of names and globs, made absolute, so that a file has one name whatever the working folder is later.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// The names before the first glob.
    pub(crate) base: PathBuf,
    /// What comes behind them.
    pub(crate) steps: Vec<Step>,
    /// With a slash at the end, files that the last step matches are left out.
    pub(crate) folders_only: bool,
}

/// One part of a path behind the first glob.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// This name.
    Name(OsString),
    /// All names that match.
    Matching(Matching),
}

/// A glob for one name.
#[derive(Clone, Debug)]
pub(crate) struct Matching {
    glob: GlobMatcher,
    /// Whether names that begin with `_` or `.` are meant, because the glob begins so.
    hidden: bool,
}

impl Pattern {
    /// Reads `path`.
    ///
    /// # Errors
    /// Where it is empty or one of its globs cannot be read.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        let folders_only = path.as_os_str().as_bytes().ends_with(b"/");
        let whole = absolute(path).map_err(|error| wrong(path, &error.to_string()))?;
        let (mut base, mut steps) = (PathBuf::new(), Vec::new());
        for component in whole.components() {
            let name = component.as_os_str();
            let glob = name.to_str().filter(|name| name.contains(['*', '?', '[', '{', '\\']));
            match (glob, component) {
                (Some(glob), Component::Normal(_)) => steps.push(Step::Matching(Matching::new(glob, path)?)),
                _ if steps.is_empty() => base.push(name),
                _ => steps.push(Step::Name(name.to_owned())),
            }
        }
        Ok(Self { base, steps, folders_only })
    }
}

impl Matching {
    fn new(glob: &str, path: &Path) -> Result<Self> {
        if glob == "**" {
            return Err(wrong(path, "without `**`; folders within folders are for `FileStream::nested`"));
        }
        let matcher = Glob::new(glob).map_err(|error| wrong(path, &format!("a glob ({})", error.kind())))?;
        Ok(Self { glob: matcher.compile_matcher(), hidden: glob.starts_with(['_', '.']) })
    }

    /// Whether `name` is meant.
    pub(crate) fn takes(&self, name: &OsStr) -> bool {
        (self.hidden || !is_hidden(name)) && self.glob.is_match(name)
    }
}

/// Whether a file or a folder is left alone for its name: what begins with `.` is hidden, and programs that write folders
/// of files put what is not done yet, or no data, under names that begin with `_`.
pub(crate) fn is_hidden(name: &OsStr) -> bool {
    matches!(name.as_bytes().first(), Some(b'.' | b'_'))
}

/// Whether there is nothing under a name, which says no more than that.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

fn wrong(path: &Path, expected: &str) -> Error {
    Error::Setting {
        key: "directory".into(),
        value: format!("`{}`", path.display()),
        expected: format!("a path: {expected}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_without_a_glob_is_all_base() {
        let pattern = Pattern::new(Path::new("/in//logs/./today")).unwrap();
        assert_eq!(pattern.base, Path::new("/in/logs/today"));
        assert!(pattern.steps.is_empty() && !pattern.folders_only);
    }

    #[test]
    fn a_path_with_globs_has_steps_behind_its_base() {
        let pattern = Pattern::new(Path::new("/in/20*/data/")).unwrap();
        assert_eq!(pattern.base, Path::new("/in"));
        assert!(pattern.folders_only);
        let [Step::Matching(year), Step::Name(data)] = &pattern.steps[..] else { panic!("{pattern:?}") };
        assert!(year.takes(OsStr::new("2026")) && !year.takes(OsStr::new("1999")));
        assert_eq!(data, "data");
    }

    #[test]
    fn hidden_names_match_only_where_the_glob_begins_like_them() {
        let names = ["_x", ".x", "x"].map(OsStr::new);
        let of = |glob| Matching::new(glob, Path::new(glob)).unwrap();
        assert_eq!(names.map(|name| of("*").takes(name)), [false, false, true]);
        assert_eq!(names.map(|name| of("?x").takes(name)), [false, false, false]);
        assert_eq!(names.map(|name| of("_*").takes(name)), [true, false, false]);
    }

    #[test]
    fn a_glob_that_cannot_be_read_is_named() {
        for glob in ["/in/[a", "/in/{a,b/c}", "/in/**/x", ""] {
            let error = Pattern::new(Path::new(glob)).unwrap_err().to_string();
            assert!(error.contains("setting `directory`") && error.contains(glob), "{error}");
        }
    }
}

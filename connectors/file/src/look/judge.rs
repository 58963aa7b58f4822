//! Which of the files that a look found are new, and no longer written to.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use foldhash::fast::FixedState;
use tidemill::{Error, Result, Retry};

use super::list::{Listing, Stranger};
use crate::part::FileId;
use crate::stream::OnChange;

/// So many warnings of one kind are given at a look; the rest is counted.
const TOLD_EACH: usize = 10;

/// What it takes for a file to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// For so long its length and time must stay as they are.
    pub(crate) settle: Duration,
    /// So long a file that is gone stays known.
    pub(crate) remember: Duration,
    /// What about a known file that has another length.
    pub(crate) on_change: OnChange,
}

/// What earlier looks saw, as far as it is not in the position: it may be lost with the process.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    looks: u64,
    waiting: HashMap<PathBuf, Waiting, FixedState>,
    // Since when.
    absent: HashMap<PathBuf, Duration, FixedState>,
    // By the length with which they are known.
    changed: HashMap<PathBuf, u64, FixedState>,
    troubles: HashSet<String, FixedState>,
}

/// A file that is not read yet.
#[derive(Debug)]
struct Waiting {
    length: u64,
    modified: Duration,
    since: Duration,
    look: u64,
    at_rest: bool,
}

/// What is to be done after a look.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// Files to read, oldest first.
    pub(crate) files: Vec<FileId>,
    /// Files to forget.
    pub(crate) forgotten: Vec<PathBuf>,
    /// What people should know.
    pub(crate) warnings: Vec<String>,
}

impl Judge {
    /// Judges what a look found at `uptime`; `closed` are files that were closed after they were written to, or moved in.
    ///
    /// Called again without the files being known by then, it names them again.
    ///
    /// # Errors
    /// Where a known file has another length and the rules make it an error.
    pub(crate) fn judge(
        &mut self,
        listing: &Listing,
        closed: &HashSet<PathBuf, FixedState>,
        uptime: Duration,
        rules: &Rules,
    ) -> Result<Judged> {
        self.looks += 1;
        let mut judged = Judged::default();
        self.tell_troubles(listing, &mut judged.warnings);
        self.tell_changes(listing, rules.on_change, &mut judged.warnings)?;
        for file in &listing.strangers {
            let meant = file.length > 0 && (file.known.is_none() || rules.on_change == OnChange::Read);
            if meant && self.is_at_rest(file, closed.contains(&file.path), uptime, rules.settle) {
                let (path, length, modified) = (file.path.clone(), file.length, file.modified);
                judged.files.push(FileId { path, length, modified });
            }
        }
        self.waiting.retain(|_, waiting| waiting.look == self.looks);
        judged.files.sort_unstable_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
        judged.forgotten = self.forgotten(&listing.absent, uptime, rules.remember);
        Ok(judged)
    }

    fn is_at_rest(&mut self, file: &Stranger, closed: bool, uptime: Duration, settle: Duration) -> bool {
        let looks = self.looks;
        let earlier = self.waiting.get_mut(&file.path);
        let first_seen = earlier.is_none();
        if let Some(waiting) = earlier
            && (waiting.length, waiting.modified) == (file.length, file.modified)
        {
            waiting.look = looks;
            waiting.at_rest |= closed || uptime.saturating_sub(waiting.since) >= settle;
            return waiting.at_rest;
        }
        let at_rest = closed || settle.is_zero() || (first_seen && file.rested >= settle);
        let (length, modified) = (file.length, file.modified);
        let waiting = Waiting { length, modified, since: uptime, look: looks, at_rest };
        self.waiting.insert(file.path.clone(), waiting);
        at_rest
    }

    fn forgotten(&mut self, absent: &[PathBuf], uptime: Duration, remember: Duration) -> Vec<PathBuf> {
        let mut earlier = std::mem::take(&mut self.absent);
        let since = |path: &PathBuf| {
            let since = earlier.remove(path).unwrap_or(uptime);
            (path.clone(), since)
        };
        self.absent = absent.iter().map(since).collect();
        let over = absent.iter().filter(|path| {
            self.absent.get(*path).is_some_and(|since| uptime.saturating_sub(*since) >= remember)
        });
        over.cloned().collect()
    }

    fn tell_changes(
        &mut self,
        listing: &Listing,
        on_change: OnChange,
        warnings: &mut Vec<String>,
    ) -> Result<()> {
        let told = std::mem::take(&mut self.changed);
        let mut news = Vec::new();
        for file in &listing.strangers {
            let Some(known) = file.known else { continue };
            let says = || said(&file.path, known, file.length);
            if on_change == OnChange::Error {
                let what = format!("{}; `FileStream::on_change` says that this is an error", says());
                return Err(Error::Connector { connector: "file", what, retry: Retry::Never, source: None });
            }
            if told.get(&file.path) != Some(&known) {
                news.push(says());
            }
            self.changed.insert(file.path.clone(), known);
        }
        tell(news, "files have changed", warnings);
        Ok(())
    }

    fn tell_troubles(&mut self, listing: &Listing, warnings: &mut Vec<String>) {
        let told = std::mem::take(&mut self.troubles);
        self.troubles = listing.troubles.iter().cloned().collect();
        let news = listing.troubles.iter().filter(|trouble| !told.contains(*trouble)).cloned().collect();
        tell(news, "troubles", warnings);
    }
}

fn said(path: &Path, known: u64, length: u64) -> String {
    format!("{} had {known} bytes when it was new and has {length} now", path.display())
}

fn tell(mut news: Vec<String>, of_what: &str, warnings: &mut Vec<String>) {
    let more = news.len().saturating_sub(TOLD_EACH);
    news.truncate(TOLD_EACH);
    warnings.append(&mut news);
    if more > 0 {
        warnings.push(format!("{more} more {of_what}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        settle: Duration::from_secs(1),
        remember: Duration::from_secs(10),
        on_change: OnChange::Ignore,
    };

    fn found(name: &str, length: u64, modified: u64) -> Stranger {
        let (path, modified) = (PathBuf::from(name), Duration::from_secs(modified));
        Stranger { path, length, modified, rested: Duration::ZERO, known: None }
    }

    /// What is to be read after a look at `millis` that found `files`.
    fn read(judge: &mut Judge, millis: u64, files: &[Stranger], closed: &[&str]) -> Vec<String> {
        let listing = Listing { strangers: files.to_vec(), ..Listing::default() };
        let closed = closed.iter().map(PathBuf::from).collect();
        let judged = judge.judge(&listing, &closed, Duration::from_millis(millis), &RULES).unwrap();
        judged.files.iter().map(|file| file.path.display().to_string()).collect()
    }

    #[test]
    fn a_file_is_at_rest_when_two_looks_see_the_same_far_enough_apart() {
        let mut judge = Judge::default();
        let file = [found("a", 1, 5)];
        assert!(read(&mut judge, 0, &file, &[]).is_empty());
        assert!(read(&mut judge, 999, &file, &[]).is_empty());
        assert_eq!(read(&mut judge, 1000, &file, &[]), ["a"]);
        // It was not planned: it stays at rest.
        assert_eq!(read(&mut judge, 1001, &file, &[]), ["a"]);
        // A change begins anew, and so does coming back.
        assert!(read(&mut judge, 1002, &[found("a", 1, 6)], &[]).is_empty());
        assert!(read(&mut judge, 2001, &[found("a", 2, 6)], &[]).is_empty());
        assert!(read(&mut judge, 2500, &[], &[]).is_empty());
        assert!(read(&mut judge, 4000, &[found("a", 2, 6)], &[]).is_empty());
        assert_eq!(read(&mut judge, 5000, &[found("a", 2, 6)], &[]), ["a"]);
    }

    #[test]
    fn a_closed_file_and_one_whose_content_is_older_than_its_name_are_at_rest_at_once() {
        let old = |rested| Stranger { rested: Duration::from_millis(rested), ..found("moved", 1, 5) };
        assert_eq!(read(&mut Judge::default(), 0, &[found("a", 1, 5), found("b", 1, 5)], &["b"]), ["b"]);
        assert!(read(&mut Judge::default(), 0, &[old(999)], &[]).is_empty());
        assert_eq!(read(&mut Judge::default(), 0, &[old(1000)], &[]), ["moved"]);
        // Not where an earlier look saw it change: who copies a file sets its time last.
        let mut judge = Judge::default();
        assert!(read(&mut judge, 0, &[found("moved", 1, 9)], &[]).is_empty());
        assert!(read(&mut judge, 1, &[old(5000)], &[]).is_empty());
    }

    #[test]
    fn many_warnings_at_once_are_counted_behind_the_first() {
        let known = |n: u64| Stranger { known: Some(n + 1), ..found(&format!("{n:03}"), n, 5) };
        let listing = Listing { strangers: (0..50).map(known).collect(), ..Listing::default() };
        let mut judge = Judge::default();
        let warnings = judge.judge(&listing, &HashSet::default(), Duration::ZERO, &RULES).unwrap().warnings;
        assert_eq!(warnings.len(), TOLD_EACH + 1);
        assert_eq!(warnings[TOLD_EACH], "40 more files have changed");
    }
}

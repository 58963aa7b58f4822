//! Looking: which files are there, and which of them are new.

mod judge;
mod known;
mod list;
mod pattern;
mod watch;

pub(crate) use self::judge::{Judge, Judged, Rules};
pub(crate) use self::known::{FileRange, KnownFiles, News};
pub(crate) use self::list::{Filter, Listing, Walk};
pub(crate) use self::pattern::Pattern;
pub(crate) use self::watch::Watch;

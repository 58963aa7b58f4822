//! States as typed values: what a job that keeps its states in memory reads and changes without encoding anything.
//!
//! A [`Part`] is what one partition keeps: a table for each of its key groups, shared with snapshots until it changes, and
//! an index of the times at which keys are due. A task reads a part and writes into an [`Overlay`]: one change for each
//! key that it touches, which remembers where the key stands in its table. So a failed try leaves nothing behind, and the
//! commit looks no key up a second time.

mod due;
mod dues;
mod group;
mod index;
mod overlay;
mod part;

pub(crate) use self::due::Due;
pub(crate) use self::dues::Dues;
pub(crate) use self::group::{Group, hash};
pub(crate) use self::index::Found;
pub(crate) use self::overlay::{Change, InOrder, Overlay, Slot};
pub(crate) use self::part::Part;

//! One budget for what a job holds, and spill files for what goes beyond it.
//!
//! Received blocks, cached partitions and the panes of windows reserve their bytes in one [`Budget`]. A task that gets
//! none writes to the [`Spill`], whose disk has a budget of its own; the gate waits until there is room again. So a
//! job that receives more than it can hold slows its sources down, and never fails for that.

mod budget;
mod pile;
mod spill;

pub(crate) use self::budget::{Budget, Reservation};
pub(crate) use self::pile::{Pile, PileReader, PileWriter, Room};
pub(crate) use self::spill::{Piece, PieceFrames, PieceWriter, Spill, SpillFile, SpillReader};

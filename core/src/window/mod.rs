//! Which batches and which event times a window covers, and how what was computed of them is combined without beginning
//! anew at each slide.
//!
//! Pure: no thread, no clock, no disk. A window over batches is cut into *panes*: pieces of time that every window covers
//! whole or not at all. What a pane holds is combined once when it is closed and once more when it is turned over; so the
//! cost of a slide does not depend on how many panes a window has.

pub(crate) mod event;
mod panes;
mod slots;
mod span;

pub use self::event::{EventTime, EventWindow, WatermarkSpec};
pub(crate) use self::panes::{Pane, Panes, Shelf};
pub(crate) use self::slots::Slots;
pub(crate) use self::span::Span;

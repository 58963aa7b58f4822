//! Event time: windows on the times that records say of themselves, and how far those times have come.

mod assign;
mod panes;
mod time;
mod watermark;

pub(crate) use self::assign::Assign;
pub(crate) use self::panes::{Gather, Pane, Rules, Windows, fire, place};
pub use self::time::{EventTime, EventWindow};
pub use self::watermark::WatermarkSpec;
pub(crate) use self::watermark::{LaneTime, Watermarks};

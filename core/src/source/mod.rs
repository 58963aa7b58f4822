//! The two ways in: [`Receiver`] (push) and [`DirectInput`] (pull), and who keeps a receiver running.

mod block;
mod direct;
mod gate;
mod limiter;
mod placement;
mod receiver;
mod supervisor;
mod text_block;
mod watch;

pub use self::block::{BlockMaker, InputBlock};
pub use self::direct::{Ask, DirectInput, InputContext};
#[cfg(feature = "testing")]
pub(crate) use self::gate::Segment;
pub(crate) use self::gate::{BlockMax, GateControl, Sealed};
pub use self::gate::{Gate, Received};
pub(crate) use self::limiter::Limiter;
#[cfg(feature = "testing")]
pub(crate) use self::limiter::{INSIDE_AT_START, INSIDE_MAX, LATE};
pub(crate) use self::placement::place;
pub use self::receiver::{Lane, Receiver};
pub(crate) use self::supervisor::{Supervisor, supervise};
pub use self::text_block::{LineCutter, TextLinesBlock};
pub(crate) use self::watch::Watch;

//! The words that all rooms share: errors, settings, times.

mod conf;
mod error;
mod rate;
mod time;

pub use self::conf::{Conf, Master, Origin, Setting, keys};
pub use self::error::{BoxError, Error, Mistake, Result, Retry};
pub(crate) use self::error::{chain_of, panic_text};
pub use self::rate::Rate;
pub use self::time::{BatchTime, Epoch, Interval};

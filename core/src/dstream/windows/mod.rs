//! What the window operators are made of: their settings, what they keep, and how that survives a restart.

mod by_key;
mod journal;
mod lane;
mod records;
mod restored;
mod results;
mod settings;
mod shelf;

pub(super) use self::by_key::sliding;
pub(super) use self::records::recorded;
pub(super) use self::settings::settings;

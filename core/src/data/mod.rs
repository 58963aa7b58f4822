//! What an element must be, text, chunks, and where a key belongs.

mod chunk;
mod detach;
mod hash;
mod text;
mod traits;

pub(crate) use self::chunk::Kept;
pub use self::chunk::{Chunk, Chunks};
pub(crate) use self::detach::detach;
pub use self::hash::KeyGroup;
pub(crate) use self::hash::{StableHasher, bucket, drawn};
pub(crate) use self::text::count_lines;
pub use self::text::{
    Separator, Split, SplitAsciiWhitespace, SplitLines, SplitN, SplitWhitespace, Text, TextBlock, TextLines,
};
pub(crate) use self::traits::check_round_trip;
pub use self::traits::{Data, Key, Wire};

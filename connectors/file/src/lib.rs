//! tidemill's streams from folders of files.
//!
//! - **Can records be lost?** Say when, and what prevents it.
//! - **Can they come twice?** Say when, and who drops the second one.
//! - **In which order do they come?** Say within what.
//! - **Who is slowed down when the job is behind?** Say what the other side sees.

// In each library and not in the workspace's lints: tests and examples may unwrap.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod part;
mod read;
mod look;
mod stream;
mod input;
mod streams;

pub use crate::read::{BinaryRecords, FileFormat, FileReader, OnBroken, ReadError, TextLines, records_of};
pub use crate::stream::{FileStream, OnChange};
pub use crate::streams::FileStreams;

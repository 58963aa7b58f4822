//! What all packaged jobs share: their arguments, and a text server for those who have none.
//!
//! A job itself is a file in `src/bin` and reads like the same job in any other place.

mod job;
mod text_server;

pub use crate::job::Job;
pub use crate::text_server::TextServer;

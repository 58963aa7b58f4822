//! What all packaged jobs share: their arguments, and servers for those who have none.
//!
//! A job itself is a file in `src/bin` and reads like the same job in any other place.

mod job;
mod page_views;
mod server;

pub use crate::job::{Job, NoMore};
pub use crate::page_views::{PageView, PageViews};
pub use crate::server::{HOST, serve_page_views, serve_text};

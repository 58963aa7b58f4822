//! tidemill's connector for TCP sockets: lines of text, frames, and records of a decoder of your own.
//!
//! A stream connects to a server and reads what it sends, as `nc -lk 9999` does for a first try:
//!
//! ```no_run
//! use {tidemill::prelude::*, tidemill_socket::SocketStreams as _};
//!
//! # fn main() -> Result<()> {
//! let ssc = StreamingContext::new("local[2]", "word count", Duration::from_secs(2))?;
//! let lines = ssc.socket_text_stream("localhost", 9999);
//! let words = lines.flat_map(|line| line.split(' '));
//! words.map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b).pprint();
//! ssc.start()?;
//! ssc.await_termination()
//! # }
//! ```
//!
//! | question | answer |
//! |---|---|
//! | Can a record be lost? | Yes: a socket cannot be rewound. What the sender sends while nobody is connected, what a connection that breaks had under way, and what a process that dies had received is gone. A graceful stop loses no record that was read whole. |
//! | Can a record come twice? | Not from here: what was read is handed over once. A sender that repeats itself after a reconnect is not noticed. |
//! | In which order do they come? | As sent, within one connection. |
//! | Who is slowed down when the job is behind? | The sender: reading stops while the job's memory is used up, and TCP holds the sender back. |
//!
//! # When the other side goes away
//! A connection that is refused, breaks, or is closed by the server is made anew: after
//! `tidemill.streaming.receiver_restart_delay`, then with longer and longer pauses up to 30 s. Each try shows in the log
//! and as a `ReceiverError` to the job's listeners.
//!
//! A server that accepts and then is silent is no fault: batches go on, empty, and the job stops at once when it is
//! told to. The beginning of a record that nothing follows is reported as `RecordsRejected` when its connection breaks or
//! the job stops.
//!
//! # What is no record
//! A line that is not UTF-8 or longer than [`line_bytes_max`](SocketConfig::line_bytes_max), and a frame that its
//! [`Decoder`] refuses, are left out, counted, and reported with their batch as `RecordsRejected`; the records beside
//! them stay. A line that is too long is passed over as it comes in, so one without an end fills no memory. A frame that
//! announces more than [`frame_bytes_max`](SocketConfig::frame_bytes_max) ends its connection, before its content is
//! waited for: there is no telling where the next one begins, so the next connection begins with a whole frame.
//!
//! # Other than in Spark
//! - Spark puts U+FFFD for bytes that are no text, and has no limit for the length of a line.
//! - Spark connects anew every 2 s; here the pauses grow while the server stays away.
//! - A record of a raw stream is the content of its frame as bytes, and is counted; Spark stores it as serialized
//!   objects, and counts none.

// In each library and not in the workspace's lints: tests and examples may unwrap.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod config;
mod error;
mod decoder;
mod frames;
mod frame_block;
mod raw;
mod receiver;
mod text;
mod streams;

pub use crate::config::SocketConfig;
pub use crate::decoder::{Decoder, Frame};
pub use crate::error::Error;
pub use crate::streams::SocketStreams;
pub use crate::text::SocketTextReceiver;

#[cfg(test)]
mod tests;

//! What can go wrong with a socket, and whether trying again can help.

use std::io;
use std::time::Duration;

use tidemill::{BoxError, Retry};

/// Why a connection failed or ended. Job code meets it as the source of a [`tidemill::Error::Connector`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection: nobody listens there, or the name is not known.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where it was tried.
        address: String,
        /// What the system said.
        source: io::Error,
    },

    /// The server did not answer in time.
    #[error("{address} did not answer within {timeout:?}; see `SocketConfig::connect_timeout`")]
    ConnectTimeout {
        /// Where it was tried.
        address: String,
        /// How long it was waited for.
        timeout: Duration,
    },

    /// The connection broke.
    #[error("lost the connection to {address}")]
    Lost {
        /// The server.
        address: String,
        /// What the system said.
        source: io::Error,
    },

    /// The server closed the connection.
    #[error("{address} closed the connection")]
    Closed {
        /// The server.
        address: String,
    },

    /// A frame is longer than allowed.
    #[error(
        "{address} sends a frame of {} bytes, more than the {frame_bytes_max} that are allowed; raise \
         `SocketConfig::frame_bytes_max` or check the sender",
        at_least(*length, *complete)
    )]
    FrameTooLong {
        /// The server.
        address: String,
        /// The frame's length, or as much of it as came in before it was given up.
        length: u64,
        /// Whether `length` is all of it.
        complete: bool,
        /// The limit.
        frame_bytes_max: u32,
    },

    /// The decoder cannot tell where the next frame ends.
    #[error("cannot find the frames in what {address} sends")]
    Framing {
        /// The server.
        address: String,
        /// What the decoder said.
        source: BoxError,
    },
}

fn at_least(length: u64, complete: bool) -> String {
    if complete { length.to_string() } else { format!("at least {length}") }
}

impl From<Error> for tidemill::Error {
    fn from(error: Error) -> Self {
        let (what, retry) = match &error {
            Error::Connect { .. } | Error::ConnectTimeout { .. } => ("connecting", Retry::WithBackoff),
            Error::Lost { .. } | Error::Closed { .. } => ("reading", Retry::WithBackoff),
            // A new connection begins with a whole frame.
            Error::FrameTooLong { .. } | Error::Framing { .. } => ("cutting frames", Retry::WithBackoff),
        };
        Self::Connector { connector: "socket", what: what.into(), retry, source: Some(error.into()) }
    }
}

//! What a user can set.

use std::fmt;
use std::time::Duration;

/// Where to connect, and the limits of a line and a frame.
///
/// ```
/// use std::time::Duration;
/// use tidemill_socket::SocketConfig;
///
/// let config = SocketConfig::new("localhost", 9999).line_bytes_max(4096).connect_timeout(Duration::from_secs(1));
/// assert_eq!(config.to_string(), "localhost:9999");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketConfig {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) connect_timeout: Duration,
    pub(crate) line_bytes_max: u32,
    pub(crate) frame_bytes_max: u32,
}

impl SocketConfig {
    /// How long to wait for a connection unless told otherwise: a handshake that loses two packets sends them again
    /// after 1 s and 3 s, and still gets through.
    pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

    /// The longest line unless told otherwise: 1 MiB, about the largest message that Kafka takes by default, so that a
    /// job can move from one source to the other.
    pub const DEFAULT_LINE_BYTES_MAX: u32 = 1 << 20;

    /// The longest frame unless told otherwise: 16 MiB, far more than a record, far less than the length that a sender
    /// out of step seems to announce.
    pub const DEFAULT_FRAME_BYTES_MAX: u32 = 16 << 20;

    /// The settings for the server at `host`, a name or an address, and `port`, everything else at its default.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            connect_timeout: Self::DEFAULT_CONNECT_TIMEOUT,
            line_bytes_max: Self::DEFAULT_LINE_BYTES_MAX,
            frame_bytes_max: Self::DEFAULT_FRAME_BYTES_MAX,
        }
    }

    /// How long to wait for the connection. Default:
    /// [`DEFAULT_CONNECT_TIMEOUT`](Self::DEFAULT_CONNECT_TIMEOUT), 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The longest line in bytes, without its end; a longer one is left out, counted and reported, and never held in
    /// memory as a whole. Default: [`DEFAULT_LINE_BYTES_MAX`](Self::DEFAULT_LINE_BYTES_MAX), 1 MiB.
    #[must_use]
    pub fn line_bytes_max(mut self, bytes: u32) -> Self {
        self.line_bytes_max = bytes;
        self
    }

    /// The longest frame in bytes, for streams of frames: of a raw stream the content without its length, with a decoder
    /// all that it takes for one frame. A longer one ends the connection, as there is no telling where the next frame
    /// begins. Default: [`DEFAULT_FRAME_BYTES_MAX`](Self::DEFAULT_FRAME_BYTES_MAX), 16 MiB.
    #[must_use]
    pub fn frame_bytes_max(mut self, bytes: u32) -> Self {
        self.frame_bytes_max = bytes;
        self
    }
}

/// `host:port`, as people write it.
impl fmt::Display for SocketConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_colons_stands_in_brackets() {
        assert_eq!(SocketConfig::new("::1", 80).to_string(), "[::1]:80");
        assert_eq!(SocketConfig::new("tide.example", 80).to_string(), "tide.example:80");
    }
}

//! The streams that a context gets from this crate.

use std::sync::Arc;

use bytes::Bytes;
use tidemill::{DStream, StreamingContext, Text};

use crate::SocketConfig;
use crate::decoder::Decoder;
use crate::frames::FrameCut;
use crate::raw::{self, RawFrames};
use crate::receiver::SocketReceiver;
use crate::text::SocketTextReceiver;

/// Streams from TCP sockets, as methods of [`StreamingContext`].
pub trait SocketStreams {
    /// The lines of text that the server at `host` (a name or an address) and `port` sends.
    ///
    /// A line ends with `\n`, `\r` or `\r\n`, which does not belong to it. An empty line is a record, and so is a last
    /// line without an end, once the server has closed the connection; a line whose connection *breaks* is not.
    #[doc(alias = "socketTextStream")]
    #[track_caller]
    fn socket_text_stream(&self, host: &str, port: u16) -> DStream<Text> {
        self.socket_text_stream_with(SocketConfig::new(host, port))
    }

    /// As [`socket_text_stream`](Self::socket_text_stream), with settings.
    #[track_caller]
    fn socket_text_stream_with(&self, config: SocketConfig) -> DStream<Text>;

    /// The records that `decoder` makes of what the server at `host` and `port` sends.
    #[doc(alias = "socketStream")]
    #[track_caller]
    fn socket_stream<D: Decoder>(&self, host: &str, port: u16, decoder: D) -> DStream<D::Record> {
        self.socket_stream_with(SocketConfig::new(host, port), decoder)
    }

    /// As [`socket_stream`](Self::socket_stream), with settings.
    #[track_caller]
    fn socket_stream_with<D: Decoder>(&self, config: SocketConfig, decoder: D) -> DStream<D::Record>;

    /// The frames that the server at `host` and `port` sends: four bytes with the length, the highest first, and so many
    /// bytes of content. A record is the content of one frame; it may be empty.
    #[doc(alias = "rawSocketStream")]
    #[track_caller]
    fn raw_socket_stream(&self, host: &str, port: u16) -> DStream<Bytes> {
        self.raw_socket_stream_with(SocketConfig::new(host, port))
    }

    /// As [`raw_socket_stream`](Self::raw_socket_stream), with settings.
    #[track_caller]
    fn raw_socket_stream_with(&self, config: SocketConfig) -> DStream<Bytes>;
}

impl SocketStreams for StreamingContext {
    #[track_caller]
    fn socket_text_stream_with(&self, config: SocketConfig) -> DStream<Text> {
        self.receiver_stream_named("socket_text_stream", SocketTextReceiver::new(config))
    }

    #[track_caller]
    fn socket_stream_with<D: Decoder>(&self, config: SocketConfig, decoder: D) -> DStream<D::Record> {
        let decoder = Arc::new(decoder);
        let make = move |config: &SocketConfig| FrameCut::new(config, &decoder, 0);
        self.receiver_stream_named("socket_stream", SocketReceiver::new(config, make))
    }

    #[track_caller]
    fn raw_socket_stream_with(&self, config: SocketConfig) -> DStream<Bytes> {
        let decoder = Arc::new(RawFrames::new(&config));
        // The setting bounds the content; the decoder sees the length too.
        let make = move |config: &SocketConfig| FrameCut::new(config, &decoder, raw::HEADER);
        self.receiver_stream_named("raw_socket_stream", SocketReceiver::new(config, make))
    }
}

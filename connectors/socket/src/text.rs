//! The receiver of lines of text; the cutting is tidemill's own.

use bytes::BytesMut;
use tidemill::{Gate, LineCutter, Receiver, Result, Text, TextLinesBlock};

use crate::SocketConfig;
use crate::receiver::{Cut, SocketReceiver, Taken};

/// What to do about a line that is too long.
const ADVICE: &str = "raise `SocketConfig::line_bytes_max` or check the sender";

/// Receives the lines of text that a server sends: the receiver of
/// [`socket_text_stream`](crate::SocketStreams::socket_text_stream), for a receiver of your own around it.
///
/// ```no_run
/// use tidemill::StreamingContext;
/// use tidemill_socket::{SocketConfig, SocketTextReceiver};
///
/// # fn main() -> tidemill::Result<()> {
/// let ssc = StreamingContext::new("local[2]", "lines", std::time::Duration::from_secs(1))?;
/// ssc.receiver_stream(SocketTextReceiver::new(SocketConfig::new("localhost", 9999))).pprint();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SocketTextReceiver(SocketReceiver<fn(&SocketConfig) -> LineCutter>);

impl SocketTextReceiver {
    /// A receiver from the server that `config` names.
    pub fn new(config: SocketConfig) -> Self {
        Self(SocketReceiver::new(config, |config| {
            LineCutter::new(config.line_bytes_max as usize).advice(ADVICE)
        }))
    }
}

impl Receiver for SocketTextReceiver {
    type Record = Text;
    type Position = ();

    fn run(&self, gate: Gate<Text, ()>) -> impl Future<Output = Result<()>> + Send {
        self.0.run(gate)
    }

    fn name(&self) -> String {
        self.0.name()
    }
}

impl Cut for LineCutter {
    type Record = Text;
    type Block = TextLinesBlock;

    fn cut(&mut self, buffer: &mut BytesMut, fresh: usize) -> Taken<TextLinesBlock> {
        Taken::block(Self::cut(self, buffer, fresh))
    }

    fn end(&mut self, rest: &mut BytesMut) -> Taken<TextLinesBlock> {
        // Java's `readLine` gives a last line without an end too.
        Taken::block(self.finish(rest))
    }
}

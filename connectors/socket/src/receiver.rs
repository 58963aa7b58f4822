//! Connect, read, cut, emit: the same for all streams of this crate.

use std::pin::pin;

use bytes::BytesMut;
use tidemill::{Gate, InputBlock, Receiver, Rejected, Result, Wire};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::{Error, SocketConfig};

/// As much is read at once: system calls are then far apart, and the piece still fits into a processor's cache while it
/// is looked through.
const READ: usize = 256 << 10;

/// A buffer with less room than this is left for a new one.
const READ_MIN: usize = 64 << 10;

/// A socket has one lane, and no positions in it.
const LANE: &str = "socket";

/// How what was read is cut into blocks; a value for each connection.
///
/// It runs on an I/O thread, so it looks for ends and does nothing else: decoding is the tasks' work.
pub(crate) trait Cut: Send {
    type Record: Wire;
    type Block: InputBlock<Self::Record>;

    /// Takes what is complete out of `buffer`, whose last `fresh` bytes are new.
    fn cut(&mut self, buffer: &mut BytesMut, fresh: usize) -> Taken<Self::Block>;

    /// The connection was closed: takes `rest`, which no cut has taken.
    fn end(&mut self, rest: &mut BytesMut) -> Taken<Self::Block>;
}

/// What a cut gives, to be emitted in this order.
pub(crate) struct Taken<B> {
    pub(crate) block: Option<B>,
    /// What stands behind the block and is no record.
    pub(crate) rejected: Option<Rejected>,
    /// The connection is of no more use.
    pub(crate) failed: Option<Error>,
}

impl<B> Taken<B> {
    pub(crate) fn block(block: Option<B>) -> Self {
        Self { block, rejected: None, failed: None }
    }
}

/// The receiver of a socket; `make` gives a new [`Cut`] for each connection.
#[derive(Clone, Debug)]
pub(crate) struct SocketReceiver<F> {
    config: SocketConfig,
    make: F,
}

impl<F> SocketReceiver<F> {
    pub(crate) fn new(config: SocketConfig, make: F) -> Self {
        Self { config, make }
    }

    /// Connects and reads until the job stops: what is in `buffer` then belongs to no whole record.
    async fn read<C: Cut>(&self, gate: &Gate<C::Record, ()>, buffer: &mut BytesMut) -> Result<()>
    where
        F: Fn(&SocketConfig) -> C,
    {
        let mut stopped = pin!(gate.stopped());
        let mut stream = tokio::select! {
            () = &mut stopped => return Ok(()),
            stream = connect(&self.config, gate) => stream?,
        };
        let address = self.config.to_string();
        tracing::info!(address, "socket connected");
        let mut cut = (self.make)(&self.config);
        loop {
            make_room(buffer);
            let read = tokio::select! {
                biased;
                () = &mut stopped => return Ok(()),
                read = stream.read_buf(buffer) => read,
            };
            match read {
                Ok(0) => {
                    pass(gate, cut.end(buffer)).await?;
                    return Err(Error::Closed { address }.into());
                }
                Ok(fresh) => pass(gate, cut.cut(buffer, fresh)).await?,
                Err(source) => {
                    if !buffer.is_empty() {
                        let rest = buffer.split().freeze();
                        let reason = format!("the connection broke behind {} bytes of a record", rest.len());
                        gate.reject(Rejected::new("the end of the connection", reason, rest));
                    }
                    return Err(Error::Lost { address, source }.into());
                }
            }
        }
    }
}

impl<F: Fn(&SocketConfig) -> C + Send + Sync + 'static, C: Cut> Receiver for SocketReceiver<F> {
    type Record = C::Record;
    type Position = ();

    async fn run(&self, gate: Gate<C::Record, ()>) -> Result<()> {
        let mut buffer = BytesMut::new();
        let ended = self.read(&gate, &mut buffer).await;
        // It may be the beginning of anything: never a record, and never lost in silence.
        if !buffer.is_empty() && matches!(ended, Ok(()) | Err(tidemill::Error::Stopping)) {
            let (rest, address) = (buffer.split().freeze(), &self.config);
            let reason = format!("the job stopped behind {} bytes of what {address} was sending", rest.len());
            gate.reject(Rejected::new("the end of the connection", reason, rest));
        }
        ended
    }

    fn name(&self) -> String {
        format!("socket {}", self.config)
    }
}

async fn connect<T: Wire>(config: &SocketConfig, gate: &Gate<T, ()>) -> Result<TcpStream, Error> {
    let address = || config.to_string();
    tokio::select! {
        stream = TcpStream::connect((config.host.as_str(), config.port)) => {
            stream.map_err(|source| Error::Connect { address: address(), source })
        }
        // By the job's time, which a test moves.
        () = gate.sleep(config.connect_timeout) => {
            Err(Error::ConnectTimeout { address: address(), timeout: config.connect_timeout })
        }
    }
}

/// Room for a read of a good size. What is carried over from the last cut moves into the new buffer.
fn make_room(buffer: &mut BytesMut) {
    if buffer.capacity() - buffer.len() < READ_MIN {
        // A long record doubles the room, so that it is not moved again with each read.
        buffer.reserve(READ.max(buffer.len()));
    }
}

/// Emits what a cut gave, before more is read.
async fn pass<T: Wire, B: InputBlock<T>>(gate: &Gate<T, ()>, taken: Taken<B>) -> Result<()> {
    // First, as the gate may say that the job stops.
    if let Some(rejected) = taken.rejected {
        gate.reject(rejected);
    }
    if let Some(block) = taken.block {
        gate.emit_block(LANE, block, None).await?;
    }
    taken.failed.map_or(Ok(()), |error| Err(error.into()))
}

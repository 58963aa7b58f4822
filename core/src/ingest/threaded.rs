//! Sources that block: each is read on a thread of its own, at the pace of the gate.

use std::io::{ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::pump::{Piece, pump};
use crate::data::{Text, Wire};
use crate::runtime::{Runtime, spawn_own};
use crate::source::{Gate, LineCutter, Receiver};
use crate::words::{Error, Result, Retry, panic_text};

/// Records that an iterator may be ahead of the gate.
const AHEAD_MAX: usize = 1024;

/// Blocks that a reader may be ahead of the gate: one is read while the other is taken.
const BLOCKS_AHEAD_MAX: usize = 2;

/// What is read at once, in bytes.
const READ: usize = 64 << 10;

/// The longest line of a reader, in bytes: a file without line ends must not fill the memory.
const LINE_BYTES_MAX: usize = 16 << 20;

/// How long a thread waits for room before it looks again.
const PATIENCE: Duration = Duration::from_secs(1);

/// What runs on the thread; it feeds until it is done, or nobody takes any more.
type Body<T> = Box<dyn FnOnce(&Feed<T>) -> Result<()> + Send>;

/// A source that is read on a thread of its own.
///
/// It cannot be read twice: after an error it stays down. Where the source blocks for ever, so does the thread, but not the
/// job.
pub(crate) struct Threaded<T> {
    name: &'static str,
    ahead_max: usize,
    body: Mutex<Option<Body<T>>>,
}

impl<T: Wire> Threaded<T> {
    /// The elements of an iterator.
    pub(crate) fn iterator(iterator: impl Iterator<Item = T> + Send + 'static) -> Self {
        let body = move |feed: &Feed<T>| {
            for record in iterator {
                if !feed.put(Piece::Record(record)) {
                    break;
                }
            }
            Ok(())
        };
        Self { name: "iterator", ahead_max: AHEAD_MAX, body: Mutex::new(Some(Box::new(body))) }
    }
}

impl Threaded<Text> {
    /// The lines that `read` gives.
    pub(crate) fn lines(name: &'static str, mut read: impl Read + Send + 'static) -> Self {
        let body = move |feed: &Feed<Text>| {
            let mut cutter = LineCutter::new(LINE_BYTES_MAX);
            let mut buffer = BytesMut::new();
            let put = |block: Option<_>| block.is_none_or(|block| feed.put(Piece::Block(Arc::new(block))));
            let ended = loop {
                let begun = buffer.len();
                buffer.resize(begun + READ, 0);
                let read = read.read(&mut buffer[begun..]);
                buffer.truncate(begun + read.as_ref().map_or(0, |count| *count));
                match read {
                    Ok(0) => break Ok(()),
                    Ok(count) => {
                        if !put(cutter.cut(&mut buffer, count)) {
                            break Ok(());
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => {
                        break Err(Error::Other {
                            what: format!("cannot read the {name}"),
                            retry: Retry::Never,
                            source: Some(error.into()),
                        });
                    }
                }
            };
            put(cutter.finish(&mut buffer));
            ended
        };
        Self { name, ahead_max: BLOCKS_AHEAD_MAX, body: Mutex::new(Some(Box::new(body))) }
    }
}

impl<T: Wire> Receiver for Threaded<T> {
    type Record = T;
    type Position = ();

    async fn run(&self, gate: Gate<T, ()>) -> Result<()> {
        let Some(body) = self.body.lock().take() else { return Ok(()) };
        let (queue, mut taken) = mpsc::channel(self.ahead_max);
        let feed = Feed { queue, runtime: Arc::clone(gate.runtime()) };
        let outcome = Arc::new(Mutex::new(Ok(())));
        let (name, told) = (self.name, Arc::clone(&outcome));
        spawn_own(gate.runtime(), name, move || {
            // The feed is dropped behind the outcome: whoever sees the end of the queue finds it.
            let ended = catch_unwind(AssertUnwindSafe(|| body(&feed))).unwrap_or_else(|panic| {
                // Half an iterator is none: it does not come again.
                Err(Error::new(format!("the {name} panicked: {}", panic_text(&*panic))))
            });
            *told.lock() = ended;
            drop(feed);
        });
        pump(&mut taken, &gate).await;
        std::mem::replace(&mut *outcome.lock(), Ok(()))
    }

    fn name(&self) -> String {
        self.name.into()
    }
}

/// The thread's end of the queue.
struct Feed<T> {
    queue: mpsc::Sender<Piece<T>>,
    runtime: Arc<dyn Runtime>,
}

impl<T: Wire> Feed<T> {
    /// Waits for room; `false` once nobody takes any more.
    fn put(&self, piece: Piece<T>) -> bool {
        let piece = match self.queue.try_send(piece) {
            Ok(()) => return true,
            Err(mpsc::error::TrySendError::Closed(_)) => return false,
            Err(mpsc::error::TrySendError::Full(piece)) => piece,
        };
        let mut taken = false;
        {
            let mut waits = std::pin::pin!(async { taken = self.queue.send(piece).await.is_ok() });
            while !self.runtime.block_on_for(waits.as_mut(), PATIENCE) {}
        }
        taken
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::io;

    use super::*;
    use crate::testing::{collect_batches, local, run_batches};

    /// Gives its pieces one by one, then fails.
    struct Pieces(Vec<&'static [u8]>, bool);

    impl Read for Pieces {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            match self.0.is_empty() {
                false => {
                    let piece = self.0.remove(0);
                    into[..piece.len()].copy_from_slice(piece);
                    Ok(piece.len())
                }
                true if self.1 => Err(io::Error::other("the pipe broke")),
                true => Ok(0),
            }
        }
    }

    #[test]
    fn lines_come_whole_and_the_last_one_without_an_end_too() {
        for breaks in [false, true] {
            let ssc = local(1);
            let pieces: Vec<&[u8]> = vec![b"to be\nor n", b"ot", b" to\r", b"\nbe\n\nthat"];
            let lines = ssc.receiver_stream(Threaded::lines("pipe", Pieces(pieces, breaks)));
            let collected = collect_batches(&lines);

            while collected.batches().concat().len() < 5 {
                run_batches(&ssc, 1).unwrap();
            }
            ssc.stop(true).unwrap();

            assert_eq!(
                collected.batches().concat(),
                ["to be", "or not to", "be", "", "that"],
                "breaks: {breaks}"
            );
        }
    }
}

//! Records from the user's own threads.

use std::fmt;
use std::sync::mpsc::{SendError, TrySendError};

use tokio::sync::mpsc::error::TrySendError as Refused;
use tokio::sync::{Mutex, mpsc};

use super::pump::{Piece, pump};
use crate::data::Wire;
use crate::source::{Gate, Receiver};
use crate::words::Result;

/// Sends records into a stream; made by [`channel_stream`](crate::StreamingContext::channel_stream). Clones send into the
/// same stream.
///
/// What was sent before the job stops gracefully is in one of its batches. Once all senders are dropped the stream stays
/// empty; the job goes on.
pub struct Sender<T>(mpsc::Sender<Piece<T>>);

impl<T: Wire> Sender<T> {
    /// Sends a record from a thread; waits while as many as the capacity wait to be taken, because the job has not started,
    /// or because its memory is used up.
    ///
    /// # Errors
    /// The record comes back where the job has stopped, or runs its receiver on another member.
    ///
    /// # Panics
    /// On a thread that runs futures, which must not wait like this: use [`send_async`](Self::send_async).
    pub fn send(&self, record: T) -> Result<(), SendError<T>> {
        self.0.blocking_send(Piece::Record(record)).map_err(|error| SendError(record_of(error.0)))
    }

    /// As [`send`](Self::send), in a future.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_async(&self, record: T) -> Result<(), SendError<T>> {
        self.0.send(Piece::Record(record)).await.map_err(|error| SendError(record_of(error.0)))
    }

    /// Sends a record if there is room for it now.
    ///
    /// # Errors
    /// The record comes back: `Full` where there is no room, `Disconnected` where [`send`](Self::send) fails.
    pub fn try_send(&self, record: T) -> Result<(), TrySendError<T>> {
        self.0.try_send(Piece::Record(record)).map_err(|error| match error {
            Refused::Full(piece) => TrySendError::Full(record_of(piece)),
            Refused::Closed(piece) => TrySendError::Disconnected(record_of(piece)),
        })
    }
}

fn record_of<T>(piece: Piece<T>) -> T {
    match piece {
        Piece::Record(record) => record,
        // Invariant: a sender makes records only.
        Piece::Block(_) => unreachable!("a sender sent a block"),
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("room", &self.0.capacity())
            .field("closed", &self.0.is_closed())
            .finish_non_exhaustive()
    }
}

/// The receiving end of a channel.
pub(crate) struct ChannelReceiver<T>(Mutex<mpsc::Receiver<Piece<T>>>);

impl<T: Wire> ChannelReceiver<T> {
    /// A channel that holds `capacity` records, at least one.
    pub(crate) fn new(capacity: usize) -> (Sender<T>, Self) {
        let capacity = capacity.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        let (sender, receiver) = mpsc::channel(capacity);
        (Sender(sender), Self(Mutex::new(receiver)))
    }
}

impl<T: Wire> Receiver for ChannelReceiver<T> {
    type Record = T;
    type Position = ();

    async fn run(&self, gate: Gate<T, ()>) -> Result<()> {
        pump(&mut *self.0.lock().await, &gate).await;
        Ok(())
    }

    fn name(&self) -> String {
        "channel".into()
    }
}

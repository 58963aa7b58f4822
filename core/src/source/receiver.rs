//! A source that pushes.

use std::sync::Arc;

use super::gate::Gate;
use crate::data::Wire;
use crate::words::Result;

/// A shard, a partition, a file, a connection. One receiver may read many; each has positions of its own.
pub type Lane = Arc<str>;

/// A source that pushes: it reads without pause and hands over what it read.
///
/// The value is only the *settings*: all that a run opens lives in its future. So a run that failed, panicked or was
/// dropped leaves nothing half done, and the supervisor starts the next one from the same value. A receiver takes no
/// task slot: it runs on the I/O threads, where it may wait but not compute.
///
/// # Promises
/// 1. Records of a lane are emitted in the order of their positions, which rise from call to call.
/// 2. Nothing is acknowledged to the source before [`Gate::durable`] names it.
/// 3. What was read is emitted before more is read: waiting at the gate is the only brake.
///
/// # How often a record comes
/// As often as the receiver's way of reading gives it, for as long as the process lives:
///
/// | the receiver | a record comes |
/// |---|---|
/// | has positions, and reads again from [`Gate::resume`], or from anywhere before it | exactly once: the gate leaves out what is not above the highest position of its lane |
/// | acknowledges what [`Gate::durable`] names, and the source sends the rest again under new positions | at least once |
/// | reads again from the beginning, without positions | at least once |
/// | cannot read again, as from a socket | at most once: what was on its way when a run failed is gone |
///
/// # What a return means
/// `Ok`: the source has ended, or [`Gate::stopped`] resolved; the receiver is not started again. An error for which
/// [`Error::retry`](crate::Error::retry) says so, or a panic: it is started again after a pause, each longer than the
/// last. Another error: it stays down, and listeners hear of it.
///
/// ```
/// use tidemill::{Gate, Receiver, Result};
///
/// /// Counts up to `end`.
/// struct Counter { end: u64 }
///
/// impl Receiver for Counter {
///     type Record = u64;
///     type Position = u64;
///
///     async fn run(&self, gate: Gate<u64, u64>) -> Result<()> {
///         // After a restart: behind what is already in.
///         let first = gate.resume("all").map_or(0, |last| last + 1);
///         for n in first..self.end {
///             gate.emit_at("all", n, n).await?;
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Receiver: Send + Sync + 'static {
    /// One record as it goes into the batch, or to disk while the job's memory is used up.
    type Record: Wire;
    /// A place in a lane. `()` for a source that cannot be rewound.
    type Position: Wire + Ord;

    /// Reads until the source ends, the job stops, or an error.
    fn run(&self, gate: Gate<Self::Record, Self::Position>) -> impl Future<Output = Result<()>> + Send;

    /// The host whose members should run it, by the name that [`Transport::host`](crate::Transport::host) gives: where the
    /// source is. It is asked on every member, which must all give the same answer. Default: none; receivers are then
    /// spread evenly.
    #[doc(alias = "preferredLocation")]
    fn preferred_host(&self) -> Option<String> {
        None
    }

    /// Its name for people, as in `socket localhost:9999`.
    fn name(&self) -> String {
        std::any::type_name::<Self>().rsplit("::").next().unwrap_or("receiver").to_owned()
    }
}

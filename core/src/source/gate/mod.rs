//! The gate: where what a receiver read becomes blocks. Here is what a receiver sees of it.

mod control;
mod disk;
mod full;
mod open;
mod positions;
mod run;
mod segment;
mod weigher;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

pub(crate) use self::control::GateControl;
use self::disk::Disk;
use self::open::{Incoming, Item, Open, Staged};
use self::positions::Positions;
pub(crate) use self::segment::Sealed;
#[cfg(feature = "testing")]
pub(crate) use self::segment::Segment;
use self::weigher::Weigher;
use super::block::InputBlock;
use super::limiter::Limiter;
use super::receiver::Lane;
use super::watch::Watch;
use crate::data::Wire;
use crate::memory::{Budget, Room, Spill};
use crate::rdd::{Rejected, Rejects};
use crate::runtime::Runtime;
use crate::words::{BoxError, Error, Result};

/// Records received together, with the position *of the last one*.
#[derive(Clone, Debug)]
pub struct Received<T, P> {
    /// Where from.
    pub lane: Lane,
    /// The records, in order.
    pub records: Vec<T>,
    /// Where reading goes on behind; `None` for a source that cannot be rewound.
    pub last: Option<P>,
}

/// The receiver's side of the gate; a clone for each task of its own that reads a lane.
///
/// What is emitted goes into the open block. The block is cut at each tick, and when it is older than the block interval or
/// would be larger than `tidemill.source.block_bytes`; blocks are the partitions of the batch. While the memory budget is
/// used up, what is emitted goes to disk, and `emit` waits until it is there; where there is no room on the disk either, the
/// gate closes: `emit` waits for memory, and the source feels it.
///
/// # Positions
/// What is emitted with a position that is not above the highest one of its lane was in before, and is left out and counted
/// (`RecordsRepeated`): a receiver that reads again behind a failure gives each record once. Several records under one
/// position are emitted together. Positions of a type with one value, such as `()`, name no place.
///
/// # When the job stops
/// What is emitted is always taken, also by an `emit` that waits in this moment, and by one that comes later: it waits no
/// more then, and says [`Error::Stopping`] *behind* taking. So a receiver that emits what it has read and returns the
/// error with `?` loses nothing to a graceful stop.
pub struct Gate<T, P>(Arc<Shared<T, P>>, Heard);

/// The number of the last commit that [`Gate::durable`] has told of.
#[derive(Default)]
struct Heard(AtomicU64);

struct Shared<T, P> {
    state: Mutex<State<T, P>>,
    budget: Budget,
    disk: Disk,
    // Held by the one task that takes what finds no memory.
    turn: Arc<tokio::sync::Mutex<()>>,
    steps: Steps,
    weigher: Weigher,
    limiter: Arc<Limiter>,
    runtime: Arc<dyn Runtime>,
    block_max: BlockMax,
    durable: Notify,
    stopped: watch::Receiver<bool>,
    watch: OnceLock<Arc<Watch>>,
}

/// A block that is older, or larger, takes no more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockMax {
    pub(crate) age: Duration,
    pub(crate) bytes: usize,
}

/// How many bytes are done at once.
struct Steps {
    // Single records are paid for in such steps: one look at the budget for thousands of records.
    pay: usize,
    // So much is written to disk at once: enough that it works in sequence, little enough to be held beyond the budget.
    spill: usize,
}

impl Steps {
    const PAY: u64 = 64 << 10;
    const SPILL: u64 = 256 << 10;

    /// For a budget of `limit` bytes: of a small one a step takes a sixteenth.
    fn of(limit: u64) -> Self {
        let small = (limit / 16).max(1);
        Self { pay: Self::PAY.min(small) as usize, spill: Self::SPILL.min(small) as usize }
    }
}

/// What a list or a buffer costs besides its bytes, about.
const SEGMENT: usize = 64;

struct State<T, P> {
    open: Open<T>,
    staged: Option<Staged>,
    sealed: Vec<Sealed<T>>,
    positions: Positions<P>,
    // This run emits no more.
    finished: bool,
    // No batch is committed any more.
    closed: bool,
    // What the receiver itself rejected, until a batch takes it; and where it is put aside.
    rejects: Rejects,
    letters: Option<Room>,
}

impl<T, P> Clone for Gate<T, P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), Heard(self.1.0.load(Ordering::Relaxed).into()))
    }
}

impl<T: Wire, P: Wire + Ord> Gate<T, P> {
    /// A gate, and the other side of it.
    pub(crate) fn new(
        runtime: &Arc<dyn Runtime>,
        (budget, spill): (&Budget, &Arc<Spill>),
        limiter: &Arc<Limiter>,
        block_max: BlockMax,
    ) -> (Self, GateControl<T, P>) {
        let (stop, stopped) = watch::channel(false);
        let state = State {
            open: Open::default(),
            staged: None,
            sealed: Vec::new(),
            positions: Positions::default(),
            finished: false,
            closed: false,
            rejects: Rejects::default(),
            letters: None,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            budget: budget.clone(),
            disk: Disk::new(spill),
            turn: Arc::default(),
            steps: Steps::of(budget.limit()),
            weigher: Weigher::default(),
            limiter: Arc::clone(limiter),
            runtime: Arc::clone(runtime),
            block_max,
            durable: Notify::new(),
            stopped,
            watch: OnceLock::new(),
        });
        let control = GateControl { gate: Self(Arc::clone(&shared), Heard::default()), stop };
        (Self(shared, Heard::default()), control)
    }

    /// The highest position of `lane` that is in; reading goes on behind it. `None` on a first start.
    pub fn resume(&self, lane: &str) -> Option<P> {
        self.0.state.lock().positions.highest(lane).cloned()
    }

    /// Takes one record of a source without positions; waits while the gate is closed.
    ///
    /// # Errors
    /// [`Error::Stopping`] once the job stops, though the record was taken: return it with `?`.
    pub async fn emit(&self, record: T) -> Result<()> {
        self.take_one(record, None).await;
        self.go_on()
    }

    /// Takes one record that stands at `position` of `lane`; leaves it out where that is not above the lane's highest.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub async fn emit_at(&self, lane: &str, record: T, position: P) -> Result<()> {
        self.take_one(record, Some((lane, position))).await;
        self.go_on()
    }

    /// Takes records of one lane; waits while the gate is closed. Leaves all of them out where their last position is not
    /// above the lane's highest.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub async fn emit_all(&self, received: Received<T, P>) -> Result<()> {
        let Received { lane, records, last } = received;
        let at = last.map(|last| (&*lane, last));
        if records.is_empty() {
            let mut state = self.0.state.lock();
            if !state.positions.is_repeated(at.as_ref(), 0) {
                state.positions.note(at);
            }
        } else {
            let list = SEGMENT + records.capacity() * size_of::<T>();
            let bytes = list.saturating_add(self.0.weigher.heap(&records));
            let count = records.len() as u64;
            self.take(Incoming { item: Item::Records(records), records: count, bytes, at }).await;
        }
        self.go_on()
    }

    /// Takes many records in one buffer, to be decoded by the tasks of the batch; waits while the gate is closed. Leaves the
    /// block out where its last position is not above the lane's highest.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub async fn emit_block(&self, lane: &str, block: impl InputBlock<T>, last: Option<P>) -> Result<()> {
        let (records, bytes) = (block.records(), block.size().saturating_add(SEGMENT));
        let at = last.map(|last| (lane, last));
        self.take(Incoming { item: Item::Block(Arc::new(block)), records, bytes, at }).await;
        self.go_on()
    }

    async fn take_one(&self, record: T, at: Option<(&str, P)>) {
        let bytes = size_of::<T>() + self.0.weigher.heap(std::slice::from_ref(&record));
        self.take(Incoming { item: Item::One(record), records: 1, bytes, at }).await;
    }

    /// A run begins; listeners hear of it through `watch`. Gives the gate of that run.
    pub(in crate::source) fn begin(&self, watch: &Arc<Watch>) -> Self {
        self.0.state.lock().finished = false;
        // Invariant: all runs at a gate have one watch.
        let _ = self.0.watch.set(Arc::clone(watch));
        self.clone()
    }

    pub(crate) fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.0.runtime
    }

    /// A record that the receiver itself could not decode: left out, counted, and reported with its batch; its bytes go
    /// to the dead letters.
    pub fn reject(&self, rejected: Rejected) {
        // Under the gate's lock, so that no batch takes the list between the look and the entry.
        self.0.state.lock().rejects.add(|| rejected);
    }

    /// As [`reject`](Self::reject), for a record that stands at `position` of `lane`; one whose position is not above the
    /// lane's highest was in before, and is left alone.
    pub fn reject_at(&self, lane: &str, rejected: Rejected, position: P) {
        let (mut state, at) = (self.0.state.lock(), Some((lane, position)));
        if !state.positions.is_repeated(at.as_ref(), 1) {
            state.positions.note(at);
            state.rejects.add(|| rejected);
        }
    }

    /// Something went wrong, and the receiver goes on: listeners hear of it
    /// ([`on_receiver_error`](crate::StreamingListener::on_receiver_error)), and it is logged.
    ///
    /// ```
    /// # fn example(gate: &tidemill::Gate<u64, ()>) {
    /// gate.report_error("the second of three servers does not answer");
    /// # }
    /// ```
    #[doc(alias = "reportError")]
    pub fn report_error(&self, error: impl Into<BoxError>) {
        if let Some(watch) = self.0.watch.get() {
            watch.reported(&*error.into());
        }
    }

    /// Waits until more of what was emitted is durable, and names the last position of each lane that has moved.
    /// Acknowledge then. `None`: nothing more will become durable, because all that was emitted before
    /// [`finish`](Self::finish) is, or because the job has ended.
    ///
    /// Each clone of a gate hears of all lanes, and goes on where the clone it was made of was. A new run hears of what was
    /// durable before it began, too: what the last run could not acknowledge is not forgotten.
    pub async fn durable(&self) -> Option<Vec<(Lane, P)>> {
        loop {
            // Made before looking: it hears what comes between the look and the wait.
            let more = self.0.durable.notified();
            {
                let state = self.0.state.lock();
                let mut heard = self.1.0.load(Ordering::Relaxed);
                let news = state.positions.durable_since(&mut heard);
                self.1.0.store(heard, Ordering::Relaxed);
                if !news.is_empty() {
                    return Some(news);
                }
                if state.closed || (state.finished && state.positions.all_durable()) {
                    return None;
                }
            }
            more.await;
        }
    }

    /// Says that this run emits no more, on no lane. A graceful stop then makes its last batch without waiting for the end of
    /// the run, which stays to acknowledge what that batch commits:
    ///
    /// ```
    /// # async fn acknowledge(_: Vec<(tidemill::Lane, u64)>) -> tidemill::Result<()> { Ok(()) }
    /// # async fn example(gate: tidemill::Gate<u64, u64>) -> tidemill::Result<()> {
    /// // The job stops, or the source has ended.
    /// gate.finish();
    /// while let Some(last) = gate.durable().await {
    ///     acknowledge(last).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// What is emitted behind it may miss the last batch.
    pub fn finish(&self) {
        self.0.state.lock().finished = true;
        self.0.durable.notify_waiters();
        if let Some(watch) = self.0.watch.get() {
            watch.done();
        }
    }

    /// Waits for so long, or until the job stops: for a source that is asked again and again.
    pub async fn sleep(&self, time: Duration) {
        tokio::select! {
            biased;
            () = self.stopped() => {}
            () = self.0.runtime.sleep(time) => {}
        }
    }

    /// Resolves once the job stops. Race it against the source in a `select!`.
    pub async fn stopped(&self) {
        // A control that is gone means that the job is, and that is a stop too.
        let _ = self.0.stopped.clone().wait_for(|stopped| *stopped).await;
    }

    fn go_on(&self) -> Result<()> {
        if self.is_stopped() { Err(Error::Stopping) } else { Ok(()) }
    }

    fn is_stopped(&self) -> bool {
        // As in `stopped`.
        *self.0.stopped.borrow() || self.0.stopped.has_changed().is_err()
    }
}

impl<T, P> fmt::Debug for Gate<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

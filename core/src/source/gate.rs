//! The gate: where what a receiver read becomes blocks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::block::InputBlock;
use super::receiver::Lane;
use crate::data::{Data, Wire};
use crate::memory::{Budget, Reservation};
use crate::runtime::Runtime;
use crate::words::{BatchTime, Error, Result};

/// Single records are paid for in steps of this many bytes: one look at the budget for thousands of records.
const STEP: usize = 64 << 10;

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
/// What is emitted goes into the open block. The block is cut at each tick, and when it is older than the block interval;
/// blocks are the partitions of the batch. The gate closes while the memory budget is used up: `emit` waits then, and
/// the source feels it.
///
/// # When the job stops
/// What is emitted is always taken, also by an `emit` that waits in this moment, and by one that comes later: it waits no
/// more then, and says [`Error::Stopping`] *behind* taking. So a receiver that emits what it has read and returns the
/// error with `?` loses nothing to a graceful stop.
pub struct Gate<T, P>(Arc<Shared<T, P>>);

struct Shared<T, P> {
    state: Mutex<State<T, P>>,
    budget: Budget,
    runtime: Arc<dyn Runtime>,
    block_interval: Duration,
    durable: Notify,
    stopped: watch::Receiver<bool>,
}

struct State<T, P> {
    open: Open<T>,
    sealed: Vec<Sealed<T>>,
    // The newest position of each lane that was emitted: where a restarted receiver goes on.
    emitted: BTreeMap<Lane, P>,
    // Newest emitted when a batch was cut, by batch; then those that became durable and were not asked for yet.
    cut: Vec<(BatchTime, BTreeMap<Lane, P>)>,
    durable: BTreeMap<Lane, P>,
    rejected: Vec<String>,
    rejected_count: u64,
}

struct Open<T> {
    segments: Vec<Segment<T>>,
    records: u64,
    since: Duration,
    paid: Vec<Reservation>,
    // Bytes of `paid` that single records have not used yet.
    left: usize,
}

/// Records of a block: as they came one by one, or in a buffer.
pub(crate) enum Segment<T> {
    Records(Arc<Vec<T>>),
    Block(Arc<dyn InputBlock<T>>),
}

impl<T> Clone for Segment<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Records(records) => Self::Records(Arc::clone(records)),
            Self::Block(block) => Self::Block(Arc::clone(block)),
        }
    }
}

/// A block that takes no more records.
pub(crate) struct Sealed<T> {
    /// The batch it was cut for; none until the next tick.
    pub(crate) batch: Option<BatchTime>,
    pub(crate) segments: Vec<Segment<T>>,
    pub(crate) records: u64,
    /// Given back when the block is dropped.
    pub(crate) _paid: Vec<Reservation>,
}

impl<T> Default for Open<T> {
    fn default() -> Self {
        Self { segments: Vec::new(), records: 0, since: Duration::ZERO, paid: Vec::new(), left: 0 }
    }
}

impl<T, P> Clone for Gate<T, P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Data, P: Wire> Gate<T, P> {
    /// A gate, and the other side of it.
    pub(crate) fn new(
        runtime: &Arc<dyn Runtime>,
        budget: &Budget,
        block_interval: Duration,
    ) -> (Self, GateControl<T, P>) {
        let (stop, stopped) = watch::channel(false);
        let state = State {
            open: Open::default(),
            sealed: Vec::new(),
            emitted: BTreeMap::new(),
            cut: Vec::new(),
            durable: BTreeMap::new(),
            rejected: Vec::new(),
            rejected_count: 0,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            budget: budget.clone(),
            runtime: Arc::clone(runtime),
            block_interval,
            durable: Notify::new(),
            stopped,
        });
        (Self(Arc::clone(&shared)), GateControl { gate: Self(shared), stop })
    }

    /// The position of the last record of `lane` that is in; reading goes on behind it. `None` on a first start.
    pub fn resume(&self, lane: &str) -> Option<P> {
        self.0.state.lock().emitted.get(lane).cloned()
    }

    /// Takes one record of a source without positions; waits while the gate is closed.
    ///
    /// # Errors
    /// [`Error::Stopping`] once the job stops, though the record was taken: return it with `?`.
    pub async fn emit(&self, record: T) -> Result<()> {
        self.take_one(record).await;
        self.go_on()
    }

    /// Takes one record, and notes its position.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub async fn emit_at(&self, lane: &str, record: T, position: P) -> Result<()> {
        self.take_one(record).await;
        self.note(lane, Some(position));
        self.go_on()
    }

    /// Takes records of one lane; waits while the gate is closed.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub async fn emit_all(&self, received: Received<T, P>) -> Result<()> {
        let Received { lane, records, last } = received;
        if !records.is_empty() {
            let (count, bytes) = (records.len() as u64, records.len() * size_of::<T>());
            self.take(Segment::Records(Arc::new(records)), count, bytes).await;
        }
        self.note(&lane, last);
        self.go_on()
    }

    /// Takes many records in one buffer, to be decoded by the tasks of the batch; waits while the gate is closed.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub async fn emit_block(&self, lane: &str, block: impl InputBlock<T>, last: Option<P>) -> Result<()> {
        let (count, bytes) = (block.records(), block.size());
        self.take(Segment::Block(Arc::new(block)), count, bytes).await;
        self.note(lane, last);
        self.go_on()
    }

    pub(crate) fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.0.runtime
    }

    /// A record that the receiver itself could not decode: left out, counted, and reported with its batch.
    pub fn reject(&self, reason: impl Into<String>) {
        let mut state = self.0.state.lock();
        state.rejected_count += 1;
        if state.rejected.is_empty() {
            state.rejected.push(reason.into());
        }
    }

    /// Waits until more of what was emitted is durable, and names the last position of each lane. Acknowledge then.
    pub async fn durable(&self) -> Vec<(Lane, P)> {
        loop {
            // Made before looking: it hears what comes between the look and the wait.
            let more = self.0.durable.notified();
            let durable = std::mem::take(&mut self.0.state.lock().durable);
            if !durable.is_empty() {
                return durable.into_iter().collect();
            }
            more.await;
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

    async fn take(&self, segment: Segment<T>, records: u64, bytes: usize) {
        let paid = self.pay(bytes).await;
        let mut state = self.0.state.lock();
        self.seal_if_old(&mut state);
        state.open.segments.push(segment);
        state.open.records += records;
        state.open.paid.extend(paid);
    }

    async fn take_one(&self, record: T) {
        let size = size_of::<T>();
        let enough = self.0.state.lock().open.left >= size;
        let paid = if enough { None } else { self.pay(STEP.max(size)).await };
        let mut state = self.0.state.lock();
        self.seal_if_old(&mut state);
        let open = &mut state.open;
        match paid {
            Some(reservation) => {
                open.left = STEP.saturating_sub(size);
                open.paid.push(reservation);
            }
            None => open.left -= size.min(open.left),
        }
        // The list of the last segment is ours alone until it is sealed.
        let last = match open.segments.last_mut() {
            Some(Segment::Records(records)) => Arc::get_mut(records),
            _ => None,
        };
        match last {
            Some(records) => records.push(record),
            None => open.segments.push(Segment::Records(Arc::new(vec![record]))),
        }
        open.records += 1;
    }

    /// Waits for room. Once the job stops there is no waiting: what was read is taken, whatever the budget says, and the
    /// error that `emit` gives then keeps it from being more than one record or block for each that emits.
    async fn pay(&self, bytes: usize) -> Option<Reservation> {
        if self.is_stopped() {
            return self.0.budget.try_reserve(bytes as u64);
        }
        tokio::select! {
            biased;
            reservation = self.0.budget.reserve(bytes as u64) => Some(reservation),
            () = self.stopped() => None,
        }
    }

    fn go_on(&self) -> Result<()> {
        if self.is_stopped() { Err(Error::Stopping) } else { Ok(()) }
    }

    fn is_stopped(&self) -> bool {
        // As in `stopped`.
        *self.0.stopped.borrow() || self.0.stopped.has_changed().is_err()
    }

    fn note(&self, lane: &str, last: Option<P>) {
        if let Some(last) = last {
            let mut state = self.0.state.lock();
            match state.emitted.get_mut(lane) {
                Some(position) => *position = last,
                None => {
                    state.emitted.insert(lane.into(), last);
                }
            }
        }
    }

    fn seal_if_old(&self, state: &mut State<T, P>) {
        let now = self.0.runtime.uptime();
        if state.open.segments.is_empty() {
            state.open.since = now;
        } else if now.saturating_sub(state.open.since) >= self.0.block_interval {
            state.seal();
            state.open.since = now;
        }
    }
}

impl<T, P> State<T, P> {
    fn seal(&mut self) {
        let Open { segments, records, paid, .. } = std::mem::take(&mut self.open);
        if !segments.is_empty() {
            self.sealed.push(Sealed { batch: None, segments, records, _paid: paid });
        }
    }
}

/// The job's side of a gate.
pub(crate) struct GateControl<T, P> {
    gate: Gate<T, P>,
    stop: watch::Sender<bool>,
}

impl<T: Data, P: Wire> GateControl<T, P> {
    /// The tick: what is in belongs to `batch`.
    pub(crate) fn cut(&self, batch: BatchTime) {
        let mut state = self.gate.0.state.lock();
        state.seal();
        state
            .sealed
            .iter_mut()
            .filter(|block| block.batch.is_none())
            .for_each(|block| block.batch = Some(batch));
        let emitted = state.emitted.clone();
        state.cut.push((batch, emitted));
    }

    /// The blocks that were cut for `batch` or before it, and what the receiver itself rejected until now.
    pub(crate) fn take(&self, batch: BatchTime) -> (Vec<Sealed<T>>, Option<(u64, String)>) {
        let mut state = self.gate.0.state.lock();
        let due = |block: &mut Sealed<T>| block.batch.is_some_and(|cut| cut <= batch);
        let blocks = state.sealed.extract_if(.., due).collect();
        let count = std::mem::take(&mut state.rejected_count);
        let reason = state.rejected.pop();
        (blocks, reason.map(|reason| (count, reason)))
    }

    /// Whether something is in, or was rejected, that belongs to no batch yet, or to one that was not taken.
    pub(crate) fn has_pending(&self) -> bool {
        let state = self.gate.0.state.lock();
        !state.open.segments.is_empty() || !state.sealed.is_empty() || state.rejected_count > 0
    }

    /// commit(`batch`) is durable.
    pub(crate) fn committed(&self, batch: BatchTime) {
        let mut state = self.gate.0.state.lock();
        let done: Vec<_> = state.cut.extract_if(.., |(cut, _)| *cut <= batch).collect();
        if let Some((_, positions)) = done.into_iter().next_back() {
            state.durable.extend(positions);
        }
        drop(state);
        self.gate.0.durable.notify_waiters();
    }

    /// Tells the receiver to stop; those who wait at the gate go through, and get [`Error::Stopping`].
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl<T, P> fmt::Debug for Gate<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

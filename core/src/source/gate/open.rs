//! The open block: what comes in is paid for, put behind what is in, and sealed when it is old.

use std::sync::Arc;
use std::time::Duration;

use super::{Gate, State};
use crate::data::{Data, Wire};
use crate::memory::Reservation;
use crate::source::block::InputBlock;
use crate::words::BatchTime;

/// Single records are paid for in steps of this many bytes: one look at the budget for thousands of records.
const STEP: usize = 64 << 10;

/// The block that takes records.
pub(super) struct Open<T> {
    pub(super) segments: Vec<Segment<T>>,
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

impl<T: Data, P: Wire + Ord> Gate<T, P> {
    /// Takes a segment as it is, unless it was in before.
    pub(super) async fn take(&self, segment: Segment<T>, records: u64, bytes: usize, at: Option<(&str, P)>) {
        if self.0.state.lock().positions.is_repeated(at.as_ref(), records) {
            return;
        }
        self.admit(records).await;
        let paid = self.pay(bytes).await;
        let mut state = self.0.state.lock();
        // Asked again: another task may have brought it in the meantime.
        if state.positions.is_repeated(at.as_ref(), records) {
            return;
        }
        self.seal_if_old(&mut state);
        state.positions.note(at);
        state.open.segments.push(segment);
        state.open.records += records;
        state.open.paid.extend(paid);
    }

    /// Takes a record that came alone, unless it was in before.
    pub(super) async fn take_one(&self, record: T, at: Option<(&str, P)>) {
        let size = size_of::<T>();
        let enough = {
            let mut state = self.0.state.lock();
            if state.positions.is_repeated(at.as_ref(), 1) {
                return;
            }
            state.open.left >= size
        };
        self.admit(1).await;
        let paid = if enough { None } else { self.pay(STEP.max(size)).await };
        let mut state = self.0.state.lock();
        // As in `take`.
        if state.positions.is_repeated(at.as_ref(), 1) {
            return;
        }
        self.seal_if_old(&mut state);
        state.positions.note(at);
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

    /// Waits for the rate. Once the job stops there is no waiting, as in `pay`.
    async fn admit(&self, records: u64) {
        if self.0.limiter.is_open() || self.is_stopped() {
            return;
        }
        tokio::select! {
            biased;
            () = self.0.limiter.admit(records) => {}
            () = self.stopped() => {}
        }
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
    /// The open block takes no more.
    pub(super) fn seal(&mut self) {
        let Open { segments, records, paid, .. } = std::mem::take(&mut self.open);
        if !segments.is_empty() {
            self.sealed.push(Sealed { batch: None, segments, records, _paid: paid });
        }
    }
}

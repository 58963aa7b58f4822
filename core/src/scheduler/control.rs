//! What the clock, the driver and the user's threads tell each other.

use std::time::Duration;

use crate::words::{BatchTime, Interval};

/// How a job is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    /// What is in is computed first.
    Gracefully,
    /// The running batch is cancelled.
    AtOnce,
}

/// What the clock, the driver and the user's threads tell each other. One for each run of a context.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// The newest batch that is due.
    pub(crate) due: Option<BatchTime>,
    /// Stretches of time that the clock passed over, oldest first: from a batch to the next one that is due.
    pub(crate) jumps: Vec<(BatchTime, BatchTime)>,
    /// How the job is to end, once somebody wants it to.
    pub(crate) stop: Option<Stop>,
    /// Batches that are done.
    pub(crate) batches: u64,
    /// The last batch that is done.
    pub(crate) last: Option<BatchTime>,
    /// The driver has ended; an error that stopped it is kept by the context.
    pub(crate) ended: bool,
}

impl Control {
    /// The batch behind `last`, if it is due.
    pub(crate) fn next_due(&mut self, last: BatchTime, interval: Interval) -> Option<BatchTime> {
        let mut next = last.plus(interval);
        if let Some((from, to)) = self.jumps.first().copied()
            && next == from
        {
            self.jumps.remove(0);
            next = to;
        }
        if self.due.is_some_and(|due| due >= next) {
            return Some(next);
        }
        // The jump was taken out too early: its end is not due yet.
        if next != last.plus(interval) {
            self.jumps.insert(0, (last.plus(interval), next));
        }
        None
    }

    /// Asks for a stop; one that is under way only becomes faster.
    pub(crate) fn ask_stop(&mut self, stop: Stop) {
        self.stop = self.stop.max(Some(stop));
    }
}

/// The first batch after `now`, on the grid of the epoch, and the zero time one interval before it.
pub(crate) fn first_batch(now: Duration, interval: Interval) -> (BatchTime, BatchTime) {
    let now = BatchTime::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
    let zero = now.floor(interval, BatchTime::from_millis(0));
    (zero, zero.plus(interval))
}

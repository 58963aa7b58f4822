//! What the clock, the driver and the user's threads tell each other.

use std::collections::VecDeque;
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
    /// Batches that are due and were not begun, oldest first: from a time to another, both included, one interval after
    /// the other. A clock that passes over times begins a new stretch, and one that runs far ahead of the batches takes
    /// no more room.
    due: VecDeque<(BatchTime, BatchTime)>,
    /// How far the names of batches are ahead of the job's clock, since that was set back.
    pub(crate) ahead: Duration,
    /// The clock has ended; this batch would have been the next.
    pub(crate) next: Option<BatchTime>,
    /// Inputs whose receivers were waited for in vain: nobody waits for them again.
    pub(crate) deaf: Vec<usize>,
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
    /// The batch of `time` is due: behind all that were due before.
    pub(crate) fn say_due(&mut self, time: BatchTime, interval: Interval) {
        match self.due.back_mut() {
            Some((_, last)) if last.plus(interval) == time => *last = time,
            _ => self.due.push_back((time, time)),
        }
    }

    /// Takes the oldest batch that is due.
    pub(crate) fn next_due(&mut self, interval: Interval) -> Option<BatchTime> {
        let (next, last) = self.due.front_mut()?;
        let time = *next;
        if time == *last {
            self.due.pop_front();
        } else {
            *next = time.plus(interval);
        }
        Some(time)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_taken_as_they_were_due_and_what_was_passed_over_is_not_there() {
        let second = Interval::from_millis(1000).unwrap();
        let mut control = Control::default();
        let due = [1000, 2000, 3000, 90_000, 91_000, 500_000].map(BatchTime::from_millis);
        due.iter().for_each(|time| control.say_due(*time, second));
        assert_eq!(control.due.len(), 3);
        let taken: Vec<BatchTime> = std::iter::from_fn(|| control.next_due(second)).collect();
        assert_eq!(taken, due);
        control.say_due(BatchTime::from_millis(501_000), second);
        assert_eq!(control.next_due(second), Some(BatchTime::from_millis(501_000)));
    }
}

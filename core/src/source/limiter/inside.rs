//! What is inside of a gate, and whether that is too much.

use std::collections::VecDeque;
use std::time::Duration;

use crate::words::{BatchTime, Rate};

/// Batches' worth of records inside, at most: one is computed, one waits, and half a one comes in.
pub(crate) const INSIDE_MAX: f64 = 2.5;

/// As many before the first batch with records is done: nobody knows yet how long one takes.
pub(crate) const INSIDE_AT_START: f64 = 1.0;

/// A batch that is done so many intervals behind its time closes the gate until all records inside are computed: a whole batch
/// waits then.
pub(crate) const LATE: f64 = 2.0;

/// Records that were let in and are not computed.
#[derive(Default)]
pub(super) struct Inside {
    /// Let in since the last tick, as far as there was a limit.
    pub(super) open: u64,
    /// Permits that were taken and not used.
    pub(super) spare: u64,
    /// How many wait.
    pub(super) waiting: usize,
    held_back: bool,
    batches: VecDeque<Cut>,
    // Of `batches`.
    records: u64,
    reported: bool,
    ticks: Ticks,
}

/// How the driver keeps up with the ticks.
#[derive(Clone, Copy, Default, PartialEq)]
enum Ticks {
    #[default]
    InTime,
    /// More than a whole batch waits.
    Late,
    /// Batches without records take longer than an interval too: waiting does not help.
    Hopeless,
}

/// A batch that is not done.
struct Cut {
    batch: BatchTime,
    records: u64,
    held_back: bool,
}

impl Inside {
    /// Whether more must wait until a batch is done. Never while nothing is inside, and never where waiting is in vain because
    /// batches without records take longer than an interval too.
    pub(super) fn is_full(&self, rate: Rate, interval: Duration) -> bool {
        let batches = if self.reported { INSIDE_MAX } else { INSIDE_AT_START };
        let most = (rate.records_in(interval) as f64 * batches) as u64;
        match self.ticks {
            Ticks::InTime => self.records + self.open >= most,
            Ticks::Late => self.records + self.open >= most || self.records > 0,
            Ticks::Hopeless => false,
        }
    }

    /// Somebody has to wait.
    pub(super) fn wait(&mut self) {
        self.waiting += 1;
        self.held_back = true;
    }

    pub(super) fn cut(&mut self, batch: BatchTime, records: u64) {
        self.open = 0;
        self.records += records;
        // Who waits on holds the next batch back as well.
        let held_back = std::mem::replace(&mut self.held_back, self.waiting > 0);
        self.batches.push_back(Cut { batch, records, held_back });
    }

    pub(super) fn completed(
        &mut self,
        batch: BatchTime,
        delay: Duration,
        processing: Duration,
        interval: Duration,
    ) -> (u64, bool) {
        let (mut records, mut held_back) = (0, false);
        while let Some(cut) = self.batches.pop_front_if(|cut| cut.batch <= batch) {
            records += cut.records;
            held_back |= cut.held_back;
        }
        self.records -= records;
        self.reported |= records > 0;
        let in_vain = records == 0 || self.ticks == Ticks::Hopeless;
        self.ticks = if processing >= interval && in_vain {
            Ticks::Hopeless
        } else if delay + processing > interval.mul_f64(LATE) {
            Ticks::Late
        } else {
            Ticks::InTime
        };
        (records, held_back)
    }
}

//! tidemill's estimator: as many records as a batch interval has time for.

use std::time::Duration;

use super::{BatchReport, RateEstimator};
use crate::words::Rate;

/// How much of what fits into an interval is let in: the rest is for what varies, and works off what waits.
const FILL: f64 = 0.9;

/// How much a batch counts once the next one is known.
const MEMORY: f64 = 0.7;

/// A batch that took this much longer or shorter than the line says has left it: batches take something else now.
const BREAK: f64 = 0.5;

/// How far apart two sizes must be to tell the fixed part from the rest.
const APART: f64 = 0.2;

/// Weight of what was known of the fixed part, beside one batch.
const ANCHOR: f64 = 0.02;

/// The least part of an interval that is for records, where the fixed part alone takes as long.
const ROOM_MIN: f64 = 0.1;

/// tidemill's estimator, and the default.
///
/// # How it works
/// A batch of *n* records takes about *a + b·n*: a fixed part, for tasks and outputs, and so much a record. Both are read
/// off the last batches: the straight line through (*n*, time) with the least squares of relative errors, in which each
/// batch counts 0.7 times the next one. A batch that the line misses by more than half starts a new line: with the fixed part
/// that was known, or through the last two batches if their sizes tell it. The rate is 0.9 × (interval − *a*) / *b* /
/// interval: what fits into an interval, less a tenth.
///
/// - The rate is lowered by a batch that took, or waited, longer than an interval, and by nothing else. A batch that is small
///   because the source gave no more says nothing against the rate.
/// - The rate is raised by a batch that was in time and [held back](BatchReport::held_back); to no more than twice what
///   a line through zero promises. As *a* cannot be less than nothing, that line never promises too much: so a job that
///   can take a hundred times more finds it in two or three batches, and a batch of the search takes two intervals at most.
/// - With a fixed part that fills the interval alone, a tenth of the interval stays for records.
///
/// ```
/// use std::time::Duration;
/// use tidemill::{BatchReport, Rate, RateEstimator, Steady};
///
/// let second = Duration::from_secs(1);
/// let mut steady = Steady::new(second);
/// let mut done = BatchReport::new(second);
/// // 5,000 records took 2 s: 2,500 fit into one, and nine tenths of them are let in.
/// (done.records, done.processing) = (5000, 2 * second);
/// assert_eq!(steady.update(&done), Rate::per_second(2250.0));
/// // The source has little to give: that is no reason to let in less.
/// (done.records, done.processing) = (10, second / 10);
/// assert_eq!(steady.update(&done), None);
/// ```
#[derive(Clone, Debug)]
pub struct Steady {
    interval: f64,
    line: Line,
    rate: Option<f64>,
}

impl Steady {
    /// An estimator for batches of `interval`.
    pub fn new(interval: Duration) -> Self {
        Self { interval: interval.as_secs_f64(), line: Line::default(), rate: None }
    }
}

impl RateEstimator for Steady {
    fn update(&mut self, done: &BatchReport) -> Option<Rate> {
        // A time of nothing would be an infinite rate.
        let time = done.processing.as_secs_f64().max(1e-9);
        if done.records == 0 {
            return None;
        }
        let records = done.records as f64;
        self.line.add(records, time);
        let fits = FILL * self.line.records_within(self.interval) / self.interval;
        let late = time > self.interval || done.scheduling_delay.as_secs_f64() > self.interval;
        let rate = match self.rate {
            rate if late && rate.is_none_or(|rate| fits < rate) => fits,
            rate if done.held_back && time <= self.interval => {
                // What a line through zero promises, twice.
                let fits = fits.min(2.0 * records / time);
                fits.max(rate.unwrap_or(records / self.interval))
            }
            _ => return None,
        };
        self.rate = Some(rate);
        Rate::per_second(rate)
    }
}

/// The straight line through batches: records across, seconds up.
#[derive(Clone, Debug, Default)]
struct Line {
    // Weighted sums of 1, n, n², t and n·t.
    one: f64,
    n: f64,
    nn: f64,
    t: f64,
    nt: f64,
    // The last batch.
    last: Option<(f64, f64)>,
    // Seconds without records, and seconds a record.
    fixed: f64,
    slope: f64,
}

impl Line {
    fn add(&mut self, records: f64, time: f64) {
        let expected = self.fixed + self.slope * records;
        if let Some(last) = self.last
            && (time - expected).abs() > BREAK * expected
        {
            // No batch takes less than the fixed part, and half of its time is for records at least: they are not free.
            *self = Self { fixed: self.fixed.min(time / 2.0), ..Self::default() };
            // With the last batch it may be a line still, of another fixed part: nobody knew it while all were of one size.
            if (last.0 - records).abs() > APART * records && is_line(last, (records, time)) {
                self.sum(last.0, last.1);
            }
        }
        self.sum(records, time);
        // The fixed part so far is a batch of no records: it decides as long as all batches are of one size.
        let anchor = ANCHOR / (time * time);
        let (one, t) = (self.one + anchor, self.t + anchor * self.fixed);
        let slope = (one * self.nt - self.n * t) / (one * self.nn - self.n * self.n);
        let fixed = (t - slope * self.n) / one;
        if fixed >= 0.0 && slope > 0.0 {
            (self.fixed, self.slope) = (fixed, slope);
        } else {
            // It starts below nothing, or larger batches took less time: a line with the last fixed part instead.
            self.fixed = if fixed < 0.0 { 0.0 } else { self.fixed };
            self.slope = (self.t - self.fixed * self.one).max(self.t * 0.1) / self.n;
        }
    }

    fn sum(&mut self, records: f64, time: f64) {
        let weight = 1.0 / (time * time);
        for (sum, new) in [
            (&mut self.one, 1.0),
            (&mut self.n, records),
            (&mut self.nn, records * records),
            (&mut self.t, time),
            (&mut self.nt, records * time),
        ] {
            *sum = *sum * MEMORY + weight * new;
        }
        self.last = Some((records, time));
    }

    /// How many records fit into so many seconds.
    fn records_within(&self, time: f64) -> f64 {
        (time - self.fixed).max(ROOM_MIN * time) / self.slope
    }
}

/// Whether a line that rises and starts at nothing or above goes through two batches of different sizes.
fn is_line((records, time): (f64, f64), (more, longer): (f64, f64)) -> bool {
    let slope = (longer - time) / (more - records);
    slope > 0.0 && time >= slope * records
}

//! How fast may records come in? The report of a batch in, a rate out: no clock, no thread, no I/O.

mod pid;
mod steady;

use std::time::Duration;

pub use self::pid::{Pid, PidGains};
pub use self::steady::Steady;
use crate::words::Rate;

/// What an input is limited to: asked once behind each batch in which the input had records.
///
/// One estimator belongs to one input. It is called by the driver of the job, between batches, so it may be slow but
/// should not wait. The engine adds two things of its own to every estimator: the limit of
/// `tidemill.streaming.receiver.max_rate`, and that no more than three batches' worth of records of a receiver are inside
/// at a time.
///
/// ```
/// use tidemill::{BatchReport, Rate, RateEstimator};
///
/// /// As many records as were computed in a second.
/// struct Shown;
///
/// impl RateEstimator for Shown {
///     fn update(&mut self, done: &BatchReport) -> Option<Rate> {
///         Rate::per_second(done.records as f64 / done.processing.as_secs_f64())
///     }
/// }
///
/// # use std::time::Duration;
/// let mut report = BatchReport::new(Duration::from_secs(1));
/// (report.records, report.processing) = (500, Duration::from_millis(250));
/// assert_eq!(Shown.update(&report), Rate::per_second(2000.0));
/// ```
pub trait RateEstimator: Send + 'static {
    /// Takes in a finished batch. `None` leaves the rate as it is.
    fn update(&mut self, done: &BatchReport) -> Option<Rate>;
}

/// A finished batch, as one input sees it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BatchReport {
    /// From one batch to the next.
    pub interval: Duration,
    /// When it was done, by a time that never goes back.
    pub completed: Duration,
    /// Records of this input.
    pub records: u64,
    /// How long the whole batch was computed, with the records of all inputs.
    pub processing: Duration,
    /// How long it waited for the batches before it.
    pub scheduling_delay: Duration,
    /// Whether the source had more to give: it waited at the gate, or the ranges that were asked for are full.
    pub held_back: bool,
}

impl BatchReport {
    /// A batch without records that took no time; the fields are yours to set.
    pub const fn new(interval: Duration) -> Self {
        let zero = Duration::ZERO;
        Self {
            interval,
            completed: zero,
            records: 0,
            processing: zero,
            scheduling_delay: zero,
            held_back: false,
        }
    }
}

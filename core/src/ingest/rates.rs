//! How fast records may come in: the settings, and one estimator an input.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::backpressure::{BatchReport, RateEstimator};
use crate::words::Rate;

/// Makes the estimator of one input, for batches of an interval.
pub(crate) type MakeEstimator = Arc<dyn Fn(Duration) -> Box<dyn RateEstimator> + Send + Sync>;

/// What the rates of all inputs begin with.
#[derive(Clone)]
pub(crate) struct Rates {
    pub(crate) interval: Duration,
    /// The most that a receiver is ever let in.
    pub(crate) max: Option<Rate>,
    /// What an input is let in before the first estimate.
    pub(crate) initial: Option<Rate>,
    /// Without it the rate stays as it is.
    pub(crate) estimator: Option<MakeEstimator>,
}

impl Rates {
    /// The rate of one input with a limit that no estimate goes beyond.
    pub(super) fn of_input(&self, max: Option<Rate>) -> InputRate {
        let estimator = self.estimator.as_ref().map(|make| make(self.interval));
        InputRate { max, estimator: Mutex::new(estimator) }
    }
}

impl fmt::Debug for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rates")
            .field("max", &self.max)
            .field("initial", &self.initial)
            .finish_non_exhaustive()
    }
}

/// The rate of one input.
pub(super) struct InputRate {
    max: Option<Rate>,
    estimator: Mutex<Option<Box<dyn RateEstimator>>>,
}

impl InputRate {
    /// The lower of `rate` and the limit.
    pub(super) fn within(&self, rate: Option<Rate>) -> Option<Rate> {
        match (rate, self.max) {
            (Some(rate), Some(max)) => Some(rate.min(max)),
            (rate, max) => rate.or(max),
        }
    }

    /// The rate behind a batch that had so many records of this input, if it changes. A batch that had none, or was not
    /// computed, says nothing.
    pub(super) fn estimate(
        &self,
        report: Option<&BatchReport>,
        records: u64,
        held_back: bool,
    ) -> Option<Rate> {
        let report = report.filter(|_| records > 0)?;
        let done = BatchReport { records, held_back, ..report.clone() };
        let rate = self.estimator.lock().as_mut()?.update(&done);
        rate.and_then(|rate| self.within(Some(rate)))
    }
}

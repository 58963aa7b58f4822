//! Spark's estimator: a PID controller in Spark's units and order of operations.

use std::time::Duration;

use super::{BatchReport, RateEstimator};
use crate::words::{Error, Rate, Result};

/// Spark's estimator: it follows the rate at which the last batch was computed.
///
/// With `measured` = records / processing time and `backlog` = scheduling delay × `measured` / interval, the next rate is
///
/// ```text
/// rate − proportional × error − integral × backlog − derived × (error − last error) / seconds since the last update
/// ```
///
/// where `error` = `rate` − `measured`, and never less than `min_rate`. The first batch sets `rate` to `measured` and gives
/// none; batches without records, without a processing time, or not later than the one before change nothing.
///
/// ```
/// use std::time::Duration;
/// use tidemill::{BatchReport, Pid, PidGains, Rate, RateEstimator};
///
/// let second = Duration::from_secs(1);
/// let mut pid = Pid::new(second, PidGains::default())?;
/// let mut done = BatchReport::new(second);
/// (done.records, done.processing) = (5000, second);
/// for (completed, rate) in [(1, None), (2, Rate::per_second(5000.0))] {
///     done.completed = second * completed;
///     assert_eq!(pid.update(&done), rate);
/// }
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pid {
    gains: PidGains,
    interval_millis: f64,
    // Milliseconds since the epoch, the rate, the error; none before the first batch.
    last: Option<(u128, f64, f64)>,
}

/// The gains of a [`Pid`]; the default is Spark's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PidGains {
    /// How much of the error is taken back at once: 1.0.
    pub proportional: f64,
    /// How much of the backlog is worked off in an interval: 0.2.
    pub integral: f64,
    /// How much the trend of the error counts: 0.0.
    pub derived: f64,
    /// The least rate, in records a second: 100.0.
    pub min_rate: f64,
}

impl Default for PidGains {
    fn default() -> Self {
        Self { proportional: 1.0, integral: 0.2, derived: 0.0, min_rate: 100.0 }
    }
}

impl Pid {
    /// An estimator for batches of `interval`.
    ///
    /// # Errors
    /// [`Error::Setting`] names what is wrong: an interval or a least rate that is not more than zero, a gain below zero, or
    /// one that is no finite number.
    pub fn new(interval: Duration, gains: PidGains) -> Result<Self> {
        let zero_or_more = |gain: f64| gain.is_finite() && gain >= 0.0;
        let PidGains { proportional, integral, derived, min_rate } = gains;
        let (at_least_zero, above_zero) = ("a finite number of at least 0", "a finite number above 0");
        for (name, value, right, expected) in [
            ("proportional", proportional, zero_or_more(proportional), at_least_zero),
            ("integral", integral, zero_or_more(integral), at_least_zero),
            ("derived", derived, zero_or_more(derived), at_least_zero),
            ("min_rate", min_rate, Rate::per_second(min_rate).is_some(), above_zero),
        ] {
            if !right {
                return Err(Error::Setting {
                    key: format!("tidemill.streaming.backpressure.pid.{name}"),
                    value: value.to_string(),
                    expected: expected.into(),
                });
            }
        }
        if interval.is_zero() {
            return Err(Error::Setting {
                key: "tidemill.streaming.batch_interval".into(),
                value: "0ms".into(),
                expected: "longer than nothing".into(),
            });
        }
        Ok(Self { gains, interval_millis: millis(interval), last: None })
    }
}

impl RateEstimator for Pid {
    fn update(&mut self, done: &BatchReport) -> Option<Rate> {
        let time = done.completed.as_millis();
        let later = self.last.is_none_or(|(before, ..)| time > before);
        if !later || done.records == 0 || done.processing.is_zero() {
            return None;
        }
        let measured = done.records as f64 / millis(done.processing) * 1000.0;
        let Some((before, rate, last_error)) = self.last else {
            self.last = Some((time, measured, 0.0));
            return None;
        };
        let PidGains { proportional, integral, derived, min_rate } = self.gains;
        let error = rate - measured;
        let backlog = millis(done.scheduling_delay) * measured / self.interval_millis;
        let trend = (error - last_error) / ((time - before) as f64 / 1000.0);
        let rate = (rate - proportional * error - integral * backlog - derived * trend).max(min_rate);
        self.last = Some((time, rate, error));
        Rate::per_second(rate)
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_rate_holds_whatever_the_backlog() {
        // 1 record in 20 ms is 50/s; 100 ms late of 20 ms is 5 × 50 of backlog: 50 − 250 is below 5.
        let interval = Duration::from_millis(20);
        let gains = PidGains { integral: 1.0, min_rate: 5.0, ..PidGains::default() };
        let mut pid = Pid::new(interval, gains).unwrap();
        let mut done = BatchReport { records: 1, processing: interval, ..BatchReport::new(interval) };
        done.scheduling_delay = Duration::from_millis(100);
        assert_eq!(pid.update(&done), None);
        done.completed = interval;
        assert_eq!(pid.update(&done), Rate::per_second(5.0));
    }

    #[test]
    fn a_gain_that_makes_no_sense_is_refused_with_its_key() {
        let wrong = |change: fn(&mut PidGains)| {
            let mut gains = PidGains::default();
            change(&mut gains);
            Pid::new(Duration::from_secs(1), gains).unwrap_err().to_string()
        };
        assert!(
            wrong(|gains| gains.integral = -0.2)
                .contains("`tidemill.streaming.backpressure.pid.integral` is -0.2")
        );
        assert!(wrong(|gains| gains.derived = f64::NAN).contains("pid.derived` is NaN"));
        assert!(
            wrong(|gains| gains.min_rate = 0.0)
                .contains("pid.min_rate` is 0, but must be a finite number above 0")
        );
        assert!(Pid::new(Duration::ZERO, PidGains::default()).is_err());
    }
}

//! How fast records may come in, out of the settings.

use std::sync::Arc;
use std::time::Duration;

use super::StreamingContext;
use crate::backpressure::{Pid, PidGains, RateEstimator, Steady};
use crate::ingest::{MakeEstimator, Rates};
use crate::runtime::Clock;
use crate::words::{Conf, Rate, Result, keys};

/// What a job that nobody knows yet is let in, in records a second.
const INITIAL: f64 = 10_000.0;

impl StreamingContext {
    /// Asks estimators of your own how fast records may come in, instead of the one of
    /// `tidemill.streaming.backpressure.rate_estimator`: `make` makes one for each input, for the batch interval. Say it
    /// before the start; with `tidemill.streaming.backpressure.enabled = false` none is made.
    ///
    /// ```
    /// use tidemill::{BatchReport, Rate, RateEstimator};
    ///
    /// struct Fixed(Rate);
    ///
    /// impl RateEstimator for Fixed {
    ///     fn update(&mut self, _done: &BatchReport) -> Option<Rate> {
    ///         Some(self.0)
    ///     }
    /// }
    ///
    /// let ssc = tidemill::testing::local(1);
    /// let rate = Rate::per_second(5000.0).unwrap();
    /// ssc.rate_estimator(move |_interval| Fixed(rate));
    /// ```
    pub fn rate_estimator<E: RateEstimator>(&self, make: impl Fn(Duration) -> E + Send + Sync + 'static) {
        let make: MakeEstimator = Arc::new(move |interval| Box::new(make(interval)));
        *self.0.estimator.lock() = Some(make);
    }

    /// What the inputs start with.
    pub(super) fn rates(&self) -> Result<Rates> {
        let own = self.0.estimator.lock().clone();
        // By a clock that stands still until a test moves it, batches take no time and no rate would ever rise.
        let initial = if matches!(self.0.clock, Clock::Manual(_)) { None } else { Rate::per_second(INITIAL) };
        rates(&self.0.conf, self.batch_interval(), initial, own)
    }
}

/// What `conf` says; `initial` is for a job that says nothing of it, and `own` comes before the estimator of `conf`.
fn rates(
    conf: &Conf,
    interval: Duration,
    initial: Option<Rate>,
    own: Option<MakeEstimator>,
) -> Result<Rates> {
    let enabled = conf.get_typed(keys::BACKPRESSURE_ENABLED);
    // A rate that is not above zero is none: no limit, as Spark's documentation has it.
    let max = conf.get_typed(keys::RECEIVER_MAX_RATE).and_then(Rate::per_second);
    let initial = match conf.get_typed(keys::BACKPRESSURE_INITIAL_RATE) {
        Some(records) => Rate::per_second(records),
        None if enabled => initial,
        None => None,
    };
    let estimator: Option<MakeEstimator> = match (own, conf.get_typed(keys::RATE_ESTIMATOR)) {
        _ if !enabled => None,
        (Some(own), _) => Some(own),
        (None, keys::Estimator::Steady) => Some(Arc::new(|interval| Box::new(Steady::new(interval)))),
        (None, keys::Estimator::Pid) => {
            let gains = PidGains {
                proportional: conf.get_typed(keys::PID_PROPORTIONAL),
                integral: conf.get_typed(keys::PID_INTEGRAL),
                derived: conf.get_typed(keys::PID_DERIVED),
                min_rate: conf.get_typed(keys::PID_MIN_RATE),
            };
            let pid = Pid::new(interval, gains)?;
            Some(Arc::new(move |_| Box::new(pid.clone())))
        }
    };
    Ok(Rates { interval, max, initial, estimator })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn initial_and_max(settings: &[(&str, &str)]) -> (Option<f64>, Option<f64>) {
        let mut conf = Conf::new();
        for (key, value) in settings {
            conf = conf.set(&format!("spark.streaming.{key}"), *value).unwrap();
        }
        let Rates { initial, max, .. } =
            rates(&conf, Duration::from_secs(1), Rate::per_second(INITIAL), None).unwrap();
        (initial.map(Rate::as_per_second), max.map(Rate::as_per_second))
    }

    #[test]
    fn a_rate_that_is_not_above_zero_is_no_limit() {
        for wrong in ["0", "-5", "none"] {
            assert_eq!(initial_and_max(&[("receiver.maxRate", wrong)]).1, None, "{wrong}");
        }
        assert_eq!(initial_and_max(&[("receiver.maxRate", "50")]).1, Some(50.0));
        assert_eq!(initial_and_max(&[("backpressure.initialRate", "0")]).0, None);
    }

    #[test]
    fn the_first_rate_is_10000_with_back_pressure_and_what_is_set_without() {
        let off = ("backpressure.enabled", "false");
        let set = ("backpressure.initialRate", "70");
        assert_eq!(initial_and_max(&[]).0, Some(10_000.0));
        assert_eq!(initial_and_max(&[off]).0, None);
        assert_eq!(initial_and_max(&[set]).0, Some(70.0));
        assert_eq!(initial_and_max(&[off, set]).0, Some(70.0));
    }

    #[test]
    fn an_estimator_is_made_as_the_settings_say_and_none_without_back_pressure() {
        let second = Duration::from_secs(1);
        let made = |conf: Conf| rates(&conf, second, None, None).unwrap().estimator.is_some();
        assert!(made(Conf::new()));
        assert!(made(Conf::new().set("spark.streaming.backpressure.rateEstimator", "pid").unwrap()));
        assert!(!made(Conf::new().set("spark.streaming.backpressure.enabled", "false").unwrap()));
        let unknown = Conf::new().set("tidemill.streaming.backpressure.rate_estimator", "fuzzy").unwrap_err();
        assert!(unknown.to_string().contains("is fuzzy, but must be `steady` or `pid`"), "{unknown}");
    }
}

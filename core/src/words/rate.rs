//! Rates: so many records a second.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Records a second: finite, and more than zero.
///
/// ```
/// use std::time::Duration;
/// use tidemill::Rate;
///
/// let rate = Rate::per_second(2500.0).unwrap();
/// assert_eq!(rate.records_in(Duration::from_millis(100)), 250);
/// assert_eq!(Rate::per_second(0.0), None);
/// assert_eq!(Rate::per_second(f64::INFINITY), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Rate(f64);

impl Rate {
    /// `records` a second; `None` unless that is finite and more than zero.
    pub fn per_second(records: f64) -> Option<Self> {
        (records.is_finite() && records > 0.0).then_some(Self(records))
    }

    /// Records a second.
    pub const fn as_per_second(self) -> f64 {
        self.0
    }

    /// How many whole records come in `time`; at least one, as a source that may give nothing never gives anything.
    pub fn records_in(self, time: Duration) -> u64 {
        // The cast ends at the greatest number.
        ((self.0 * time.as_secs_f64()) as u64).max(1)
    }

    /// The lower of two.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        if other.0 < self.0 { other } else { self }
    }
}

impl TryFrom<f64> for Rate {
    type Error = String;

    fn try_from(records: f64) -> Result<Self, String> {
        Self::per_second(records)
            .ok_or_else(|| format!("a rate must be finite and more than zero, and {records} is not"))
    }
}

impl From<Rate> for f64 {
    fn from(rate: Rate) -> f64 {
        rate.0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records/s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_rate_is_refused_when_it_is_made_and_when_it_is_read() {
        for wrong in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Rate::per_second(wrong), None, "{wrong}");
            let bytes = postcard::to_stdvec(&wrong).unwrap();
            assert!(postcard::from_bytes::<Rate>(&bytes).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rate_that_is_written_and_read_is_the_same() {
        let rate = Rate::per_second(0.25).unwrap();
        let bytes = postcard::to_stdvec(&rate).unwrap();
        assert_eq!(postcard::from_bytes::<Rate>(&bytes), Ok(rate));
    }

    #[test]
    fn a_time_has_at_least_one_record_and_at_most_what_can_be_counted() {
        let records = |rate, time| Rate::per_second(rate).unwrap().records_in(time);
        assert_eq!(records(1e-300, Duration::from_millis(1)), 1);
        assert_eq!(records(f64::MAX, Duration::MAX), u64::MAX);
        assert_eq!(records(999.9, Duration::from_secs(1)), 999);
    }
}

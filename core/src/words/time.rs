//! Times of batches.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

/// The END of a batch's interval, in milliseconds since the Unix epoch.
///
/// The batch of time `t` holds what came in within `(t - interval, t]`. Times lie on the grid of the interval counted
/// from the epoch, not from the start of the process, and only rise over the life of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BatchTime(u64);

impl BatchTime {
    /// `millis` milliseconds since the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Time since the epoch.
    pub const fn since_epoch(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// The newest time at or before this one that lies on the grid of `interval` through `zero`.
    ///
    /// ```
    /// use tidemill::{BatchTime, Interval};
    ///
    /// let grid = Interval::from_millis(200).unwrap();
    /// assert_eq!(BatchTime::from_millis(1350).floor(grid, BatchTime::from_millis(50)).as_millis(), 1250);
    /// ```
    #[must_use]
    pub fn floor(self, interval: Interval, zero: BatchTime) -> Self {
        // Behind the zero time the grid goes on to the left, as in Spark.
        let (at, zero, step) = (i128::from(self.0), i128::from(zero.0), i128::from(interval.as_millis()));
        let floored = zero + (at - zero).div_euclid(step) * step;
        Self(u64::try_from(floored).unwrap_or(0))
    }

    /// Whether this time lies a multiple of `interval` behind `zero`, and behind it.
    pub fn is_due(self, interval: Interval, zero: BatchTime) -> bool {
        self.0 > zero.0 && (self.0 - zero.0).is_multiple_of(interval.as_millis())
    }

    /// The times from this one until `end`, exclusive, each `step` apart.
    pub fn until(self, end: BatchTime, step: Interval) -> impl Iterator<Item = BatchTime> {
        (self.0..end.0).step_by(step.as_millis() as usize).map(Self)
    }

    /// The times from this one to `end`, inclusive, each `step` apart.
    pub fn to(self, end: BatchTime, step: Interval) -> impl Iterator<Item = BatchTime> {
        (self.0..=end.0).step_by(step.as_millis() as usize).map(Self)
    }

    /// This time and `interval`.
    #[must_use]
    pub fn plus(self, interval: Interval) -> Self {
        Self(self.0.saturating_add(interval.as_millis()))
    }

    /// This time less `duration`, not before the epoch.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for BatchTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// The length of a batch or of a slide: whole milliseconds, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(u64);

impl Interval {
    /// `millis` milliseconds; `None` for zero.
    pub const fn from_millis(millis: u64) -> Option<Self> {
        if millis == 0 { None } else { Some(Self(millis)) }
    }

    /// The interval of this length.
    ///
    /// # Errors
    /// [`Error::Setting`] under `key` where it is zero or no whole number of milliseconds.
    pub fn new(key: &'static str, length: Duration) -> Result<Self> {
        let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        if length.is_zero() || Duration::from_millis(millis) != length {
            return Err(Error::Setting {
                key: key.into(),
                value: format!("{length:?}"),
                expected: "a whole number of milliseconds, at least 1".into(),
            });
        }
        Ok(Self(millis))
    }

    /// Milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The same as a [`Duration`].
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// Whether this is a multiple of `other`.
    pub fn is_multiple_of(self, other: Interval) -> bool {
        self.0.is_multiple_of(other.0)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// The generation of a job's run. A writer of an older one is refused everywhere: ledger, logs, sinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);

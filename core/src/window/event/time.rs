//! Times and windows of events.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// When something happened, as its record says: milliseconds since the Unix epoch.
///
/// Nothing happens before the epoch. The time of a batch is a [`BatchTime`](crate::BatchTime), and says when records came in.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tidemill::EventTime;
///
/// let noon = EventTime::from_millis(43_200_000);
/// assert_eq!(EventTime::from(SystemTime::UNIX_EPOCH + Duration::from_secs(43_200)), noon);
/// assert_eq!(noon.plus(Duration::from_millis(1)).as_millis(), 43_200_001);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventTime(u64);

impl EventTime {
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

    /// This time and `duration`, in whole milliseconds; at most the last time there is.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// This time less `duration`, in whole milliseconds; not before the epoch.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl From<SystemTime> for EventTime {
    /// The same time, in whole milliseconds; a time before the epoch is the epoch.
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis))
    }
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// A stretch of event time, from `start` until just before `end`.
///
/// ```
/// use tidemill::{EventTime, EventWindow};
///
/// let minute = EventWindow { start: EventTime::from_millis(60_000), end: EventTime::from_millis(120_000) };
/// assert!(minute.contains(EventTime::from_millis(60_000)));
/// assert!(!minute.contains(EventTime::from_millis(120_000)));
/// assert_eq!(minute.to_string(), "[60000, 120000) ms");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventWindow {
    /// The first time in it.
    pub start: EventTime,
    /// The first time behind it.
    pub end: EventTime,
}

impl EventWindow {
    /// Whether `time` lies in it.
    pub fn contains(&self, time: EventTime) -> bool {
        self.start <= time && time < self.end
    }

    /// How long it is.
    pub fn length(&self) -> Duration {
        self.end.since_epoch().saturating_sub(self.start.since_epoch())
    }

    /// The smallest window that has all of both.
    pub(crate) fn join(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

impl fmt::Display for EventWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}) ms", self.start.0, self.end.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stay_between_the_epoch_and_the_last_one() {
        let hour = Duration::from_hours(1);
        assert_eq!(EventTime::from_millis(5).minus(hour), EventTime::default());
        assert_eq!(EventTime::from_millis(u64::MAX).plus(hour), EventTime::from_millis(u64::MAX));
        assert_eq!(EventTime::from_millis(1).plus(Duration::MAX), EventTime::from_millis(u64::MAX));
        assert_eq!(EventTime::from(SystemTime::UNIX_EPOCH - hour), EventTime::default());
    }
}

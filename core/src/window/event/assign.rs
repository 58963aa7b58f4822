//! Which window an event time belongs to.

use std::time::Duration;

use super::time::{EventTime, EventWindow};
use crate::words::Interval;

/// How windows lie in event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assign {
    /// One behind the other, all of this length, on the grid from the epoch.
    Tumbling(Interval),
    /// As long as records come less than this gap apart.
    Session(Interval),
}

impl Assign {
    /// The window of a record that is alone. Windows of a key that overlap are one.
    pub(crate) fn of(self, time: EventTime) -> EventWindow {
        match self {
            Self::Tumbling(length) => {
                let start = time.minus(Duration::from_millis(time.as_millis() % length.as_millis()));
                EventWindow { start, end: start.plus(length.as_duration()) }
            }
            Self::Session(gap) => EventWindow { start: time, end: time.plus(gap.as_duration()) },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(start: u64, end: u64) -> EventWindow {
        EventWindow { start: EventTime::from_millis(start), end: EventTime::from_millis(end) }
    }

    fn of(assign: fn(Interval) -> Assign, length: u64, time: u64) -> EventWindow {
        assign(Interval::from_millis(length).unwrap()).of(EventTime::from_millis(time))
    }

    #[test]
    fn a_time_on_the_grid_begins_a_window() {
        let times = [0, 9, 10, 11].map(|time| of(Assign::Tumbling, 10, time));
        assert_eq!(times, [window(0, 10), window(0, 10), window(10, 20), window(10, 20)]);
        assert_eq!(of(Assign::Session, 10, 7), window(7, 17));
    }

    proptest! {
        #[test]
        fn windows_of_a_length_overlap_only_where_they_are_the_same(
            length in 1_u64..100_000, a in 0_u64..1 << 60, apart in 0_u64..1_000_000,
        ) {
            let (first, second) = (of(Assign::Tumbling, length, a), of(Assign::Tumbling, length, a + apart));
            for (window, time) in [(first, a), (second, a + apart)] {
                prop_assert!(window.contains(EventTime::from_millis(time)));
                prop_assert_eq!(window.start.as_millis() % length, 0);
                prop_assert_eq!(window.length(), Duration::from_millis(length));
            }
            prop_assert!(first == second || first.end <= second.start, "{first} and {second}");
        }
    }
}

//! Length and slide of a window, as the user gave them.

use std::time::Duration;

use crate::dstream::DStream;
use crate::runtime::Site;
use crate::window::Span;
use crate::words::{BatchTime, Interval};

/// Length and slide of the windows of an operator.
#[derive(Clone, Copy, Debug)]
pub(in crate::dstream) struct Settings {
    pub(super) length: Interval,
    pub(super) slide: Interval,
}

impl Settings {
    pub(super) fn span(self, zero: BatchTime) -> Span {
        Span::new(self.length, self.slide, zero)
    }
}

/// Checks length and slide of a window on `parent`; what is wrong is a mistake, and the parent's slide stands in for it.
pub(in crate::dstream) fn settings<T>(
    parent: &DStream<T>,
    site: Site,
    length: Duration,
    slide: Option<Duration>,
) -> Settings {
    let every = parent.stream().slide();
    let checked = |what: &str, given: Duration| {
        let millis = u64::try_from(given.as_millis()).unwrap_or(u64::MAX);
        let whole = Duration::from_millis(millis) == given;
        if let Some(interval) = Interval::from_millis(millis).filter(|_| whole)
            && interval.is_multiple_of(every)
        {
            return interval;
        }
        let shown = if whole { format!("{millis} ms") } else { format!("{given:?}") };
        let message = if given.is_zero() {
            format!(
                "The {what} duration of windowed DStream ({shown}) must be longer than zero: it is a multiple of the \
                     slide duration of parent DStream ({every})"
            )
        } else {
            format!(
                "The {what} duration of windowed DStream ({shown}) must be a multiple of the slide duration of parent \
                     DStream ({every})"
            )
        };
        parent.graph().mistake(site.location(), message);
        every
    };
    let length = checked("window", length);
    Settings { length, slide: slide.map_or(every, |slide| checked("slide", slide)) }
}

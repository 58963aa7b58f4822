//! The windows of one key: records come in, what ends goes out.

use std::time::Duration;

use super::assign::Assign;
use super::time::{EventTime, EventWindow};

/// What is made of the values of a window. The order of a window's values is that of their times within a batch, and of the
/// batches; joined sessions come in the order of their starts.
pub(crate) trait Gather<V>: Send + Sync + 'static {
    /// What is kept of a window until it ends.
    type Kept;

    /// Of the first value.
    fn first(&self, time: EventTime, value: V) -> Self::Kept;

    /// With one more value.
    fn add(&self, kept: Self::Kept, time: EventTime, value: V) -> Self::Kept;

    /// Of two sessions that have become one.
    fn join(&self, earlier: Self::Kept, later: Self::Kept) -> Self::Kept;
}

/// A window of one key that is not forgotten yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pane<P> {
    pub(crate) window: EventWindow,
    /// Whether its result was given out with all that it has.
    pub(crate) given: bool,
    pub(crate) kept: P,
}

/// Puts `records` of one key where they belong among its `panes`, and what is too late for that into `late`.
///
/// Windows that overlap become one. A record is late where the window that it would be in, with all other records of the
/// batch, ends `lateness` or more before the watermark; such a window is left as it was. So the order of `records` does not
/// matter but for values of the same time.
///
/// `panes` do not overlap, and stand in order; so do those that are returned.
pub(crate) fn place<V, G: Gather<V>>(
    assign: Assign,
    gather: &G,
    panes: Vec<Pane<G::Kept>>,
    mut records: Vec<(EventTime, V)>,
    (watermark, lateness): (EventTime, Duration),
    mut late: impl FnMut(EventTime, V),
) -> Vec<Pane<G::Kept>> {
    records.sort_by_key(|(time, _)| *time);
    let mut out = Vec::with_capacity(panes.len() + 1);
    let (mut panes, mut records) = (panes.into_iter(), records.into_iter());
    loop {
        let reach = Reach::of(assign, panes.as_slice(), records.as_slice());
        let Some(window) = reach.window else { return out };
        if reach.records == 0 {
            out.extend(panes.by_ref().take(reach.panes));
        } else if window.end.plus(lateness) <= watermark {
            out.extend(panes.by_ref().take(reach.panes));
            records.by_ref().take(reach.records).for_each(|(time, value)| late(time, value));
        } else {
            let (panes, records) = (panes.by_ref().take(reach.panes), records.by_ref().take(reach.records));
            out.extend(joined(gather, panes, records).map(|kept| Pane { window, given: false, kept }));
        }
    }
}

/// The first of some panes and records that overlap, directly or through others.
struct Reach {
    window: Option<EventWindow>,
    panes: usize,
    records: usize,
}

impl Reach {
    fn of<V, P>(assign: Assign, panes: &[Pane<P>], records: &[(EventTime, V)]) -> Self {
        let mut reach = Self { window: None, panes: 0, records: 0 };
        loop {
            let pane = panes.get(reach.panes).map(|pane| pane.window);
            let record = records.get(reach.records).map(|(time, _)| assign.of(*time));
            let pane_first = match (pane, record) {
                (Some(pane), Some(record)) => pane.start <= record.start,
                (pane, _) => pane.is_some(),
            };
            let Some(next) = (if pane_first { pane } else { record }) else { return reach };
            reach.window = match reach.window {
                None => Some(next),
                Some(window) if next.start < window.end => Some(window.join(next)),
                Some(_) => return reach,
            };
            *(if pane_first { &mut reach.panes } else { &mut reach.records }) += 1;
        }
    }
}

fn joined<V, G: Gather<V>>(
    gather: &G,
    panes: impl Iterator<Item = Pane<G::Kept>>,
    records: impl Iterator<Item = (EventTime, V)>,
) -> Option<G::Kept> {
    let (mut panes, mut records) = (panes.peekable(), records.peekable());
    let mut all: Option<G::Kept> = None;
    loop {
        let pane = match (panes.peek(), records.peek()) {
            // What was there before is before records of the same time.
            (Some(pane), Some((time, _))) if *time < pane.window.start => None,
            _ => panes.next(),
        };
        all = match (pane, all) {
            (Some(pane), Some(all)) => Some(gather.join(all, pane.kept)),
            (Some(pane), None) => Some(pane.kept),
            (None, all) => match (records.next(), all) {
                (None, all) => return all,
                (Some((time, value)), Some(all)) => Some(gather.add(all, time, value)),
                (Some((time, value)), None) => Some(gather.first(time, value)),
            },
        };
    }
}

/// Gives out the windows that the watermark has passed and that have something new, and forgets those for which it has
/// passed `lateness` too. Returns when one of the rest is due next; `None` where there is no rest.
pub(crate) fn fire<P: Clone>(
    panes: &mut Vec<Pane<P>>,
    (watermark, lateness): (EventTime, Duration),
    mut give: impl FnMut(EventWindow, P),
) -> Option<EventTime> {
    let mut due: Option<EventTime> = None;
    let after = std::mem::take(panes).into_iter().filter_map(|mut pane| {
        let (end, gone) = (pane.window.end, pane.window.end.plus(lateness));
        let new = end <= watermark && !pane.given;
        if gone <= watermark {
            if new {
                give(pane.window, pane.kept);
            }
            return None;
        }
        if new {
            give(pane.window, pane.kept.clone());
            pane.given = true;
        }
        let next = if pane.given { gone } else { end };
        due = Some(due.map_or(next, |due| due.min(next)));
        Some(pane)
    });
    *panes = after.collect();
    due
}

#[cfg(test)]
mod tests;

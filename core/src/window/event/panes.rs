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

/// The windows of one key that are not forgotten yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Windows<P> {
    /// Where the last session that was forgotten has ended: nothing is put before it any more, so that no two sessions
    /// overlap. Of no use to tumbling windows.
    pub(crate) closed: EventTime,
    // Invariant: they do not overlap, and stand in order.
    pub(crate) panes: Vec<Pane<P>>,
}

impl<P> Default for Windows<P> {
    fn default() -> Self {
        Self { closed: EventTime::default(), panes: Vec::new() }
    }
}

/// How windows lie, and when they are over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) assign: Assign,
    pub(crate) lateness: Duration,
    /// The watermark of the batch.
    pub(crate) watermark: EventTime,
}

impl Rules {
    fn is_over(&self, end: EventTime) -> bool {
        end.plus(self.lateness) <= self.watermark
    }
}

/// Puts `records` of one key where they belong among its `windows`, and what is too late for that into `late`.
///
/// A record is late where the window that it would be in alone is over, or where it lies in a session that is forgotten. So
/// neither depends on the order of the records, nor on what else comes with them. Windows that overlap become one.
pub(crate) fn place<V, G: Gather<V>>(
    rules: Rules,
    gather: &G,
    windows: Windows<G::Kept>,
    records: Vec<(EventTime, V)>,
    mut late: impl FnMut(EventTime, V),
) -> Windows<G::Kept> {
    let Windows { closed, panes } = windows;
    let mut in_time = Vec::with_capacity(records.len());
    for (time, value) in records {
        if time < closed || rules.is_over(rules.assign.of(time).end) {
            late(time, value);
        } else {
            in_time.push((time, value));
        }
    }
    in_time.sort_by_key(|(time, _)| *time);
    let mut out = Vec::with_capacity(panes.len() + 1);
    let (mut panes, mut records) = (panes.into_iter(), in_time.into_iter());
    loop {
        let reach = Reach::of(rules.assign, panes.as_slice(), records.as_slice());
        let Some(window) = reach.window else { return Windows { closed, panes: out } };
        let panes = panes.by_ref().take(reach.panes);
        if reach.records == 0 {
            out.extend(panes);
        } else {
            let records = records.by_ref().take(reach.records);
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
/// passed the lateness too. Returns when there is something to do about the rest; `None` where nothing is left to remember.
pub(crate) fn fire<P: Clone>(
    rules: Rules,
    windows: &mut Windows<P>,
    mut give: impl FnMut(EventWindow, P),
) -> Option<EventTime> {
    let mut due: Option<EventTime> = None;
    let mut closed = windows.closed;
    let after = std::mem::take(&mut windows.panes).into_iter().filter_map(|mut pane| {
        let end = pane.window.end;
        let new = end <= rules.watermark && !pane.given;
        if rules.is_over(end) {
            if new {
                give(pane.window, pane.kept);
            }
            closed = closed.max(end);
            return None;
        }
        if new {
            give(pane.window, pane.kept.clone());
            pane.given = true;
        }
        let next = if pane.given { end.plus(rules.lateness) } else { end };
        due = Some(due.map_or(next, |due| due.min(next)));
        Some(pane)
    });
    windows.panes = after.collect();
    if let Assign::Session(gap) = rules.assign {
        windows.closed = closed;
        // From then on whatever lies before it is late by itself.
        let end = closed.plus(gap.as_duration());
        return due.or_else(|| (!rules.is_over(end)).then(|| end.plus(rules.lateness)));
    }
    due
}

#[cfg(test)]
mod tests;

//! Says when a batch is due.

use std::sync::Arc;
use std::time::Duration;

use super::control::Control;
use crate::dstream::Graph;
use crate::metrics::{BatchInfo, Event, EventBus};
use crate::runtime::{Monitor, Runtime};
use crate::words::{BatchTime, Interval};

/// Ticks until the job stops: cuts the inputs at the time of each batch and says that it is due.
///
/// A tick that comes late is followed at once by those it delayed, so no time is left out; only a jump of the clock by
/// more than `max_jump` is. A clock that was set back delays nothing: batches go on at the pace of the interval.
pub(crate) fn run_clock(
    runtime: &Arc<dyn Runtime>,
    graph: &Arc<Graph>,
    control: &Monitor<Control>,
    events: &EventBus,
    first: BatchTime,
    max_jump: Duration,
) {
    let interval = graph.interval();
    let mut next = first;
    loop {
        let now = runtime.now();
        if let Some(jumped) = jump(now, next, interval, max_jump) {
            tracing::warn!(from = %next, to = %jumped, "the clock jumped forward");
            events.post(Event::ClockJumped { from: next, to: jumped });
            control.change(|control| control.jumps.push((next, jumped)));
            next = jumped;
        }
        // Set back: the time of the next batch may be far ahead, but it comes one interval after the last.
        let wait = next.since_epoch().saturating_sub(now).min(interval.as_duration());
        let stopped = control.wait_until(Some(now + wait), |control| control.stop.map(|_| ()));
        if stopped.is_some() {
            return;
        }
        graph.inputs().iter().for_each(|input| input.cut(next));
        // Before the driver knows of it: nobody shall hear that a batch runs before hearing that it is due.
        events.post(Event::BatchSubmitted(BatchInfo {
            batch_time: next,
            inputs: Vec::new(),
            submission_time: next.since_epoch(),
            processing_start_time: None,
            processing_end_time: None,
            output_operations: Vec::new(),
            failure_reason: None,
        }));
        control.change(|control| control.due = Some(next));
        next = next.plus(interval);
    }
}

/// Where the clock is now, if it has jumped over `next`.
fn jump(now: Duration, next: BatchTime, interval: Interval, max_jump: Duration) -> Option<BatchTime> {
    if now.saturating_sub(next.since_epoch()) <= max_jump {
        return None;
    }
    let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    Some(BatchTime::from_millis(millis).floor(interval, next).plus(interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Interval = Interval::from_millis(1000).unwrap();

    #[test]
    fn a_late_tick_is_no_jump() {
        let next = BatchTime::from_millis(10_000);
        assert_eq!(jump(Duration::from_millis(15_500), next, SECOND, Duration::from_hours(1)), None);
    }

    #[test]
    fn a_jump_goes_to_the_grid_after_now() {
        let next = BatchTime::from_millis(10_000);
        let to = jump(Duration::from_millis(7_210_400), next, SECOND, Duration::from_hours(1));
        assert_eq!(to, Some(BatchTime::from_millis(7_211_000)));
    }
}
